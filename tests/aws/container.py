"""A function's container in this process: SQLite for the ledger, a folder for the provider, S3 by the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from kakitome.aws import composition
from kakitome.aws.composition import Container, Here


class Context:
    """`left`: milliseconds, whenever it is asked."""

    def __init__(self, left: int = 90_000) -> None:
        self.left = left

    def get_remaining_time_in_millis(self) -> int:
        return self.left


class Place:
    """`words`: the environment of its functions."""

    def __init__(self, folder: Path, container: Container, words: Mapping[str, str]) -> None:
        self.words = words
        self.outbox = folder / "outbox"
        self._container = container

    def sent(self) -> list[EmailMessage]:
        found = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in self.outbox.glob("**/*.eml")]
        return [mail for mail in found if isinstance(mail, EmailMessage)]

    def to(self) -> list[str]:
        return sorted(str(mail["To"]) for mail in self.sent())

    def rows(self, name: str) -> dict[str, int]:
        """The campaign's account, without what is nothing."""

        async def told(here: Here) -> Mapping[str, int]:
            run = await here.instance.ledger.runs.find(name)
            assert run is not None
            return await here.instance.ledger.reads.rows(run.id)

        return {word: n for word, n in self._container.run(told).items() if n}

    def ask(self, work: Any) -> Any:
        return self._container.run(work)


@contextmanager
def container(folder: Path, patch: pytest.MonkeyPatch, **more: str) -> Iterator[Place]:
    words = {
        "KAKITOME_LEDGER__URL": f"sqlite:///{folder}/ledger.db",
        "KAKITOME_LEDGER__FOLDER": str(folder),
        "KAKITOME_LANES__BOX__PROVIDER": "outbox",
        "KAKITOME_LANES__BOX__TIMEOUT": "5s",
        "KAKITOME_STREAMS__BULK__KIND": "bulk",
        "KAKITOME_STREAMS__BULK__ROUTE": "box",
        "KAKITOME_STREAMS__BULK__FROM": "Shop <news@example.com>",
        "KAKITOME_EVENTS__TOPICS": "arn:aws:sns:us-east-1:000000000000:events",
    }
    made = Container(words | more)
    patch.setattr(composition, "_containers", [made])
    try:
        yield Place(folder, made, words | more)
    finally:
        made.close()
        asyncio.set_event_loop(None)
