"""What the command line says of a stream that the guard paused as a whole, and how each of its runs goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from terminal import Terminal

from kakitome.core.guard import Level, Verdict
from kakitome.core.policy import Kind
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.testing.ledger_world import World

FOUND = "30 of 510 mails of the stream 'bulk' came back for good (5.882 %; the limit is 5 %)."


def verdict(level: Level, limit: float) -> Verdict:
    return Verdict(level=level, kind="bounces", count=30, sent=510, rate=5.882, limit=limit, stream="bulk")


def played(here: Terminal, play: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        ledger = SqliteLedger(here.folder / "data" / "ledger.db")
        try:
            await play(World(ledger))
        finally:
            await ledger.close()

    asyncio.run(run())


@pytest.fixture
def paused(here: Terminal) -> Terminal:
    """The stream `bulk`: single mails, and two lists, one with a space in its name."""

    async def play(w: World) -> None:
        await w.stream("bulk", Kind.BULK)
        for name in ("fair", "fair Osaka"):
            await w.campaign("a@example.jp", name=name)
        assert await w.ledger.guards.say_of_stream("bulk", 0, verdict(Level.PAUSED, 5.0), w.now)

    played(here, play)
    return here


def test_stream_list_names_what_was_paused_together(paused: Terminal) -> None:
    """What the guard found, once, and a command for each run; those that were resumed are named no more."""
    config = f"--config {paused.config}"
    listed = paused.run("stream", "list").out
    assert f"bulk: the guard paused all of it. {FOUND}\n" in listed and listed.count(FOUND) == 1
    commands = [line.strip() for line in listed.splitlines() if line.startswith("  kakitome")]
    assert commands == [
        f"kakitome stream resume bulk {config}",
        f"kakitome campaign resume fair {config}",
        f"kakitome campaign resume 'fair Osaka' {config}",
    ]
    told = {one["name"]: one for one in paused.json("stream", "list")["streams"]}["bulk"]
    assert (told["whole"]["count"], told["paused_together"]) == (30, ["stream:bulk", "fair", "fair Osaka"])
    for words in (("stream", "resume", "bulk"), ("campaign", "resume", "fair")):
        assert paused.run(*words).code == 0
    listed = paused.run("stream", "list").out
    assert "'fair Osaka'" in listed and "resume fair " not in listed and "resume bulk" not in listed
    assert paused.run("campaign", "resume", "fair Osaka").code == 0
    assert "the guard paused" not in paused.run("stream", "list").out


def test_a_campaign_says_that_its_stream_was_paused(paused: Terminal) -> None:
    """Its status and its start: what was found, and how this one goes on; a new list of the stream is told of it."""
    status = paused.run("campaign", "status", "fair Osaka").out
    assert f"The guard paused it with its whole stream: {FOUND}" in status
    assert "kakitome campaign resume 'fair Osaka'" in status and "kakitome stream list" in status
    paused.put()
    again = paused.run("campaign", "start", "--list", paused.list(3), "--template", "news", "--name", "fair")
    assert again.code == 1 and "kakitome campaign resume fair" in again.err
    assert f"The guard paused the campaign 'fair' with all of the stream 'bulk': {FOUND} Nothing was sent." in again.err

    async def another(w: World) -> None:
        await w.campaign("b@example.jp", name="later")

    played(paused, another)
    assert f"The guard paused its whole stream: {FOUND}" in paused.run("campaign", "status", "later").out


def test_a_stream_that_is_warned_of(here: Terminal) -> None:
    """Nothing waits for a person, so no command is named; each of its campaigns that goes on says it, too."""

    async def play(w: World) -> None:
        await w.campaign("a@example.jp", name="fair")
        assert await w.ledger.guards.say_of_stream("bulk", 0, verdict(Level.WARNED, 5.0), w.now)

    played(here, play)
    listed = here.run("stream", "list").out
    assert f"bulk: the guard warned of all of it. {FOUND}" in listed and "resume" not in listed
    assert f"The guard warned of its whole stream: {FOUND}" in here.run("campaign", "status", "fair").out
    assert here.json("campaign", "status", "fair")["guard_of_stream"]["level"] == "warned"
