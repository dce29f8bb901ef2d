"""What comes back of a mail that went through the relay, and what an instance makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from relay import SENDER, Relay, sending
from reports import report

from kakitome.app import Instance
from kakitome.core.errors import LedgerUnavailable
from kakitome.ingest import ingest
from kakitome.sources.dsn_intake import Intake

Story = Callable[[Instance, Relay], Coroutine[Any, Any, None]]


def played(folder: Path, story: Story, dsn: bool = True) -> None:
    """An instance whose one mail went through the relay, and what happens then."""

    async def play() -> None:
        relay = Relay(dsn)
        async with sending(folder, relay) as instance:
            await story(instance, relay)

    asyncio.run(play())


def intake_of(instance: Instance, broken: bool = False) -> Intake:
    async def take(events: Any) -> None:
        if broken:
            raise LedgerUnavailable("The disk is full.")
        await ingest(events, instance.ledger, instance.clock)

    return Intake(instance.ledger, take, instance.clock)


def bounce(relay: Relay, **more: Any) -> bytes:
    """The report about the relay's mail."""
    named: dict[str, Any] = {"envelope": relay.envelope_id() if relay.dsn else None, "returned": relay.message_id()}
    return report(to=SENDER, **named | more)


async def suppressed(instance: Instance) -> list[tuple[str, str, str]]:
    return [(s.address, s.reason, s.who) for s in await instance.ledger.suppressions.list("", 10)]


async def noted(instance: Instance) -> list[tuple[str, str]]:
    entries = await instance.ledger.journal.read(0, 1_000)
    return [(e.kind, str(e.data["why"])) for e in entries if e.kind.startswith("bounce_")]
