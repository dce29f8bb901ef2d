"""The guard over a ledger: once for any number of workers, and again only for what was sent since a person resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import msgspec
import pytest
from workshop import DAY, VirtualClock

from kakitome.core.event import BounceClass, EventKind, Permanence
from kakitome.core.guard import Level, Limit, Rules, judge
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed
from kakitome.guard import guard, watch
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.testing.ledger_world import World

RULES = Rules(sample=10, bounces=Limit(4.0, 5.0, 2), complaints=Limit(0.08, 0.1, 3))
DEAD = {"permanence": Permanence.PERMANENT, "bounce_class": BounceClass.INVALID_RECIPIENT}


def rules(_: str) -> Rules:
    return RULES


def played(play: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        world = World(MemoryLedger())
        await play(world)
        await world.balance()

    asyncio.run(run())


async def sent(w: World, run: RunId, n: int, bad: int = 0) -> list[Claimed]:
    """The next `n` of the run go out; the first `bad` of them bounce."""
    claims = await w.claim(*await w.ledger.messages.due(run, n, w.now))
    for claimed in claims:
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{claimed.id}")
    await w.fold(*(w.event(EventKind.BOUNCED, claimed, **DEAD) for claimed in claims[:bad]))
    return claims


async def said(w: World) -> list[str]:
    return [entry.kind for entry in await w.journal() if entry.kind.startswith("guard_")]


async def twice(w: World) -> int:
    """Two workers look at the same moment."""
    return sum(map(len, await asyncio.gather(*(guard(w.ledger, rules, w.now) for _ in range(2)))))


def test_a_bad_list_is_paused_once_and_a_person_resumes() -> None:
    """Two workers, one pause, one entry with its figures; after the resumption only what is sent then counts."""

    async def play(w: World) -> None:
        run = await w.campaign(*(f"{n}@example.jp" for n in range(60)))
        early = await sent(w, run, 20, bad=2)
        assert await twice(w) == 1
        [entry] = [e for e in await w.journal() if e.kind == "guard_paused"]
        assert entry.run == run
        assert (entry.data["verdict"].count, entry.data["verdict"].sent) == (2, 20)
        assert (await w.run(run)).state == "paused" and await twice(w) == 0
        assert await sent(w, run, 5) == []
        w.now += 60_000
        await w.move(run, "running")
        await w.fold(*(w.event(EventKind.BOUNCED, claimed, **DEAD) for claimed in early))
        await sent(w, run, 20)
        assert await twice(w) == 0 and (await w.run(run)).state == "running"
        await sent(w, run, 20, bad=5)
        assert await twice(w) == 1 and await said(w) == ["guard_paused", "guard_paused"]

    played(play)


def test_single_mails_are_only_warned_about() -> None:
    """A lost booking is worse: a transactional stream goes on, unless its configuration says otherwise."""

    async def play(w: World) -> None:
        run = await w.stream()
        await w.admit(*(f"{n}@example.jp" for n in range(20)), run=run)
        await sent(w, run, 20, bad=20)
        for _ in range(2):
            await guard(w.ledger, lambda _: msgspec.structs.replace(RULES, most=Level.WARNED), w.now)
        assert await said(w) == ["guard_warned"]
        assert (await w.run(run)).state == "running"

    played(play)


def test_a_list_that_was_faster_than_its_bounces_is_told_of() -> None:
    """Nothing is left to pause; it is said once, and a week later no more."""

    async def play(w: World) -> None:
        run = await w.campaign(*(f"{n}@example.jp" for n in range(20)))
        await sent(w, run, 20, bad=10)
        await w.move(run, "done")
        assert await twice(w) == 1
        assert await said(w) == ["guard_warned"]
        other = await w.campaign(*(f"{n}@example.jp" for n in range(20)), name="other")
        await sent(w, other, 20, bad=10)
        await w.move(other, "done")
        w.now += 8 * DAY
        assert await twice(w) == 0

    played(play)


def test_a_good_year_does_not_hide_a_bad_day() -> None:
    """A stream's window ends when it has had its time and its mail; a campaign's does not."""

    async def play(w: World) -> None:
        run = await w.stream()
        await w.admit(*(f"{n}@example.jp" for n in range(500)), run=run)
        campaign = await w.campaign(*(f"{n}@example.jp" for n in range(500)))
        for each in (run, campaign):
            await sent(w, each, 400)
        w.now += 8 * DAY
        assert await twice(w) == 0
        for each in (run, campaign):
            await sent(w, each, 20, bad=5)
        assert await twice(w) == 1
        assert ((await w.run(run)).state, (await w.run(campaign)).state) == ("paused", "running")

    played(play)


@pytest.mark.parametrize("seed", range(8))
def test_a_walk(seed: int) -> None:
    """Whatever comes in whatever order: what the guard has looked at and left running is within the limits, and there
    is one pause for each resumption."""
    random = Random(seed)

    async def play(w: World) -> None:
        run = await w.campaign(*(f"{n}@example.jp" for n in range(400)))
        out: list[Claimed] = []
        resumed = 0
        for _ in range(60):
            w.now += random.randrange(1, 5_000)
            match random.choice(("send", "send", "bounce", "complain", "look", "resume")):
                case "send":
                    out += await sent(w, run, random.randrange(1, 20))
                case "bounce" if out:
                    await w.fold(w.event(EventKind.BOUNCED, random.choice(out), **DEAD))
                case "complain" if out:
                    await w.fold(w.event(EventKind.COMPLAINED, random.choice(out)))
                case "resume" if (await w.run(run)).state == "paused":
                    await w.move(run, "running")
                    resumed += 1
                case _:
                    await twice(w)
                    [there] = await w.ledger.guards.watched(run)
                    assert there.run.state == "paused" or judge(there.figures, RULES) is None
        paused = (await said(w)).count("guard_paused")
        assert paused == resumed + ((await w.run(run)).state == "paused")

    played(play)


def test_it_looks_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    """A ledger that cannot be read for a while ends nothing; what it then sees is said and done."""

    class Failing:
        def __init__(self, ledger: MemoryLedger) -> None:
            self._ledger, self._looks = ledger, 0

        @property
        def guards(self) -> object:
            self._looks += 1
            if self._looks == 1:
                raise RuntimeError("a bug")
            return self._ledger.guards

    async def play(w: World) -> None:
        run = await w.campaign(*(f"{n}@example.jp" for n in range(20)))
        await sent(w, run, 20, bad=2)
        clock = VirtualClock()
        watching = asyncio.create_task(watch(Failing(w.ledger), rules, clock, 5))  # type: ignore[arg-type]
        while len(clock.slept) < 3:  # noqa: ASYNC110  the clock is virtual: nothing is waited for
            await asyncio.sleep(0)
        watching.cancel()
        assert (await w.run(run)).state == "paused" and set(clock.slept) == {5}

    played(play)
    assert "2 of 20 mails came back for good (10 %; the limit is 5 %). It is paused." in caplog.text
