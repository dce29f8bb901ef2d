"""Canaries: who flies, when, through which lane, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from workshop import LANE, MINUTE, SECOND, Workshop

from kakitome import canary
from kakitome.accept import Desk
from kakitome.canary import Canaries, Canary
from kakitome.config import load
from kakitome.core.lane import canary_stream
from kakitome.core.lifecycle import State
from kakitome.core.message import MessageView
from kakitome.core.outcome import Accepted, Unavailability, Unavailable, Uncertain
from kakitome.deliver import deliver
from kakitome.lanes import canaries_of
from kakitome.ports.reads import Search
from kakitome.supply import Batch
from kakitome.sweep import sweep

TRIED = msgspec.structs.replace(LANE, canary=True)
BIRD = Canary("post@example.com", "success@simulator.amazonses.com")


class Aviary(Workshop):
    """A workshop whose lane has a canary."""

    def __init__(self) -> None:
        super().__init__(lane=TRIED)
        desk = Desk(self.ledger, self.renderer, self.queue, self.clock, lambda _: (canary.POLICY, None))
        self.canaries = Canaries(
            {"ses": BIRD}, {"ses": TRIED, "other": msgspec.structs.replace(LANE, name="other")}, desk
        )

    async def birds(self) -> list[MessageView]:
        found = await self.ledger.reads.search(Search(n=100))
        self.numbers |= {view.id: view.id for view in found if view.id not in self.numbers}
        return [view for view in found if view.stream == canary_stream("ses")]

    async def deliver_bird(self) -> Batch:
        await self.birds()
        run = await self.ledger.runs.find(f"stream:{canary_stream('ses')}")
        assert run is not None
        return await deliver(run, TRIED, self.transport, self.hands)

    async def stop(self) -> None:
        """The lane, for half a minute."""
        now = self.clock.now()
        await self.ledger.accounts.stop("lane:ses", "circuit_open", now + 30 * SECOND, "500", now, True)


def aviary(body: Callable[[Aviary], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        async def run() -> None:
            await body(Aviary())

        asyncio.run(run())

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


@aviary
async def test_nobodys_mail_tries_where_there_is_a_canary(a: Aviary) -> None:
    """The lane is half open: a mail waits, the canary goes, and behind it the mail."""
    ids = await a.mail(2)
    await a.stop()
    await a.canaries.fly(())
    assert await a.birds() == []
    a.clock.pass_by(30)
    assert (await a.deliver()).reason == "circuit_open"
    await a.canaries.fly(())
    assert (await a.deliver_bird()).claimed == 1
    assert [parcel.recipient for parcel in a.transport.written] == [BIRD.recipient]
    [resumed] = await a.journal("resumed")
    assert resumed.data["who"] == "probe"
    a.clock.pass_by(60)
    while (await a.deliver()).claimed:
        a.clock.pass_by(60)
    assert await a.states(ids) == [State.SENT] * 2


@aviary
async def test_one_a_minute_whoever_asks(a: Aviary) -> None:
    """Several workers look every second: the first one's canary is everybody's."""
    await a.stop()
    a.clock.pass_by(60)
    for _ in range(59):
        await a.canaries.fly({"ses"})
        a.clock.pass_by(1)
    assert len(await a.birds()) == 1  # it tries, and its events make time pass
    a.clock.pass_by(1)
    await a.canaries.fly({"ses"})
    assert len(await a.birds()) == 2


@aviary
async def test_silence_asks_for_one_a_minute(a: Aviary) -> None:
    """Whichever worker sees it, and whenever within the minute."""
    a.clock.wall += -a.clock.wall % MINUTE
    for _ in range(60):
        await a.canaries.fly({"ses"})
        a.clock.pass_by(1)
    assert len(await a.birds()) == 1


@aviary
async def test_a_lane_that_stops_again_has_another_at_once(a: Aviary) -> None:
    """An account that is throttled for a second, twice within a minute, is back a second later both times."""
    for n in (1, 2):
        now = a.clock.now()
        await a.ledger.accounts.stop("account:account", "throttled", now + SECOND, "454", now, True)
        a.clock.pass_by(1)
        await a.canaries.fly(())
        assert (await a.deliver_bird()).claimed == 1
        assert len(await a.birds()) == n
        assert await a.ledger.accounts.stopped(a.clock.now()) == []
        a.clock.pass_by(5)


@aviary
async def test_a_lane_without_one_gets_none(a: Aviary) -> None:
    """A silent lane that nobody can write to for nothing stays silent."""
    await a.canaries.fly({"other", "gone"})
    assert await a.ledger.reads.search(Search(n=9)) == []


@aviary
async def test_a_canary_that_fails_leaves_the_lane_shut_for_longer(a: Aviary) -> None:
    """Twice the pause, no second entry, and it is tried again by the same canary."""
    await a.stop()
    a.clock.pass_by(30)
    await a.canaries.fly(())
    a.transport.answer = lambda _: Unavailable(Unavailability.REFUSED_CONNECTION)
    await a.deliver_bird()
    [gate] = await a.ledger.accounts.stopped(a.clock.now())
    assert (gate.strikes, gate.until) == (2, a.clock.now() + 2 * 5 * SECOND)
    a.clock.pass_by(10)
    a.transport.answer = lambda parcel: Accepted(f"p-{parcel.message}")
    await a.deliver_bird()
    assert await a.ledger.accounts.stopped(a.clock.now()) == []
    assert len(await a.journal("stopped")) == len(await a.journal("resumed")) == 1


@aviary
async def test_nobody_waits_for_a_canary(a: Aviary) -> None:
    """It is in doubt, is sent once more, is in doubt again: at the deadline it is closed, and asks no person."""
    await a.canaries.fly({"ses"})
    a.transport.answer = lambda _: Uncertain("reset")
    for _ in range(2):
        a.clock.pass_by(10)
        await a.deliver_bird()
        a.clock.pass_by(10)
        await sweep(a.ledger, {"ses": TRIED}, a.clock)
    assert [view.state for view in await a.birds()] == [State.IN_DOUBT]
    a.clock.pass_by(2 * 3_600)
    await sweep(a.ledger, {"ses": TRIED}, a.clock)
    assert [view.state for view in await a.birds()] == [State.CLOSED]


@aviary
async def test_a_doubt_that_needs_events_asks_for_a_canary(a: Aviary) -> None:
    """Past the horizon, with nothing newer heard of the lane; not before, and not where something was."""
    await a.mail(1)
    a.transport.answer = lambda _: Uncertain("reset")
    await a.deliver()
    assert await sweep(a.ledger, {"ses": TRIED}, a.clock) == set()
    a.clock.pass_by(TRIED.horizons.quiet / 1000 + 1)
    assert await sweep(a.ledger, {"ses": TRIED}, a.clock) == {"ses"}


@pytest.mark.parametrize(
    ("streams", "senders"),
    [
        ('[streams.news]\nfrom = "news@example.com"\n', {"ses": "news@example.com"}),
        ('[streams.news]\nroute = ["other"]\nfrom = "news@example.com"\n', {"other": "news@example.com"}),
        ("[streams.news]\n", {}),
    ],
)
def test_a_canary_is_from_whom_a_stream_of_that_lane_is(tmp_path: Path, streams: str, senders: dict[str, str]) -> None:
    """Where the lane names nobody itself; a stream without a route goes through the first lane there is."""
    lanes = "".join(f'[lanes.{name}]\nprovider = "ses"\nregion = "eu-west-1"\n' for name in ("ses", "other"))
    (tmp_path / "kakitome.toml").write_text(lanes + streams, "utf-8")
    config = load(tmp_path / "kakitome.toml", {})
    assert {lane: bird.sender for lane, bird in canaries_of(config).items()} == senders
