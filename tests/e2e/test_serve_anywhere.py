"""The API in containers: `serve` with an environment and a table, and nothing of its own that anybody would miss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dynamo_rig import REGION, asked, emulated
from emulator import KEYS
from kakitome import Client, KakitomeApiError
from kakitome.ledgers.dynamodb import schema
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

KEY = "a-key-of-some-length-for-the-test"
PATIENCE = 60  # seconds
TABLE = f"anywhere-{os.getpid()}"


def environment(provider: Remote) -> dict[str, str]:
    """A function's of the stack, whose ledger is folded by whoever reads."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KAKITOME_"))},
        **KEYS,
        "API_KEY": KEY,
        "KAKITOME_LEDGER__URL": f"dynamodb://{TABLE}?region={REGION}&endpoint={emulated()}",
        "KAKITOME_LANES__SES__PROVIDER": "ses",
        "KAKITOME_LANES__SES__REGION": REGION,
        "KAKITOME_LANES__SES__ENDPOINT": provider.url,
        "KAKITOME_LANES__SES__TIMEOUT": "2s",  # with the margin, how long a dead one's claims are left alone
        "KAKITOME_LANES__SES__MARGIN": "1s",
        "KAKITOME_STREAMS__TRANSACTIONAL__ROUTE": "ses",
        "KAKITOME_HTTP__ADDRESS": "127.0.0.1:0",
        "KAKITOME_HTTP__KEYS": "env:API_KEY",
    }


@contextmanager
def container(folder: Path, words: dict[str, str]) -> Iterator[tuple[Client, str]]:
    """Killed at the end, with its folder."""
    folder.mkdir()
    command = [sys.executable, "-m", "kakitome.http"]
    with subprocess.Popen(command, cwd=folder, env=words, stdout=subprocess.PIPE, text=True) as it:
        try:
            assert it.stdout is not None
            url = f"http://{json.loads(it.stdout.readline())['http']}"
            yield Client(url, KEY), url
        finally:
            it.kill()


def settled(client: Client, id: str) -> str:
    until = time.monotonic() + PATIENCE
    while (state := client.status(id).messages[0].state) in ("queued", "sending"):
        assert time.monotonic() < until, "what the first one left is not sent"
        time.sleep(0.2)  # between two looks at a condition
    return state


def test_one_is_killed_and_another_one_knows(tmp_path: Path) -> None:
    """What the first acknowledged the second tells of, and sends what the first had not; each mail once."""
    asked("CreateTable", **schema.definition(TABLE))
    with running("--accepted", str(tmp_path / "accepted.jsonl"), "--fault", "slow:0.05") as provider:
        words = environment(provider)
        with container(tmp_path / "first", words) as (first, url):
            with pytest.raises(KakitomeApiError, match="key"):
                Client(url, "another-key-of-some-length").status("msg_1")
            ids = [
                first.send(sender="a@example.com", to=f"u{n}@example.com", subject="x", text="y").messages[0].id
                for n in range(20)
            ]
        with container(tmp_path / "second", words) as (second, _):
            states = {id: settled(second, id) for id in ids}
        got = [line.message for line in provider.accepted()]
    assert len(set(got)) == len(got), "somebody got a mail twice"
    assert {id for id, state in states.items() if state == "sent"} <= set(got)
    assert set(states.values()) <= {"sent", "in_doubt", "unresolved"}
