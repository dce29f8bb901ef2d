"""The guard over a stream as a whole: many small bad lists are one large one, said once, and last week's stay there."""

from __future__ import annotations

import asyncio
from random import Random

import msgspec
import pytest
from test_guarding import DEAD, RULES, played, rules, said, sent, twice
from workshop import DAY, VirtualClock

from kakitome.core.event import EventKind
from kakitome.core.guard import Level, Rules, judge, together
from kakitome.core.ids import RunId
from kakitome.core.message import Claimed
from kakitome.core.policy import Kind
from kakitome.guard import guard, watch
from kakitome.ports.guards import WatchedStream
from kakitome.testing.ledger_world import World

MINUTE = 60_000


async def small(w: World, name: str, n: int = 8, bad: int = 1, rows: int = 40) -> RunId:
    """A list of which `n` went out (below the sample of ten, by default) and `bad` of these bounced."""
    w.now += MINUTE
    run = await w.campaign(*(f"{k}@{name}.example.jp" for k in range(rows)), name=name)
    await sent(w, run, n, bad)
    return run


async def finished(w: World, name: str, n: int = 8, bad: int = 1) -> RunId:
    run = await small(w, name, n, bad, rows=n)
    await w.move(run, "done")
    return run


async def states(w: World, *runs: RunId) -> list[str]:
    return [(await w.run(run)).state for run in runs]


def test_five_small_bad_lists_pause_their_stream() -> None:
    """Each stays below the sample; together they do not. Two workers say it once, of all that runs of the stream."""

    async def play(w: World) -> None:
        single, booking = await w.stream("bulk", Kind.BULK), await w.stream()
        runs = [await small(w, f"list-{k}", n=4, bad=1) for k in range(2)]
        assert await twice(w) == 0
        runs += [await small(w, f"list-{k}", n=4, bad=1) for k in range(2, 5)]
        assert await twice(w) == 1
        assert await states(w, booking, single, *runs) == ["running", *["paused"] * 6]
        entries = [entry for entry in await w.journal() if entry.kind == "guard_paused"]
        assert sorted(entry.run or 0 for entry in entries) == sorted([single, *runs])
        assert {(e.data["verdict"].stream, e.data["verdict"].count, e.data["verdict"].sent) for e in entries} == {
            ("bulk", 5, 20)
        }
        assert await twice(w) == 0

    played(play)


def test_who_resumes_is_not_stopped_by_last_weeks_lists() -> None:
    """Neither by those that are done nor by its own former mails; what is bad from there on pauses it again."""

    async def play(w: World) -> None:
        for k in range(3):
            await finished(w, f"old-{k}", n=6, bad=3)
        runs = [await small(w, f"list-{k}", n=4, bad=1) for k in range(2)]
        assert await twice(w) == 1 and await states(w, *runs) == ["paused", "paused"]
        w.now += MINUTE
        for run in runs:
            await w.move(run, "running")
        for run in runs:
            await sent(w, run, 8)
        assert await twice(w) == 0 and await states(w, *runs) == ["running", "running"]
        for run in runs:
            await w.fold(*(w.event(EventKind.BOUNCED, claimed, **DEAD) for claimed in await sent(w, run, 1)))
        assert await twice(w) == 1 and await states(w, *runs) == ["paused", "paused"]

    played(play)


def test_a_culprit_that_was_paused_alone_is_dealt_with() -> None:
    """Its mails are not counted in: the good lists beside it go on. What a person cancelled counts no more either."""

    async def play(w: World) -> None:
        good = [await small(w, f"good-{k}", n=20, bad=0) for k in range(2)]
        gone = await small(w, "gone", n=9, bad=9)
        await w.move(gone, "cancelled")
        culprit = await small(w, "culprit", n=20, bad=20)
        assert await twice(w) == 1
        assert await states(w, culprit, *good) == ["paused", "running", "running"]
        assert await twice(w) == 0 and await said(w) == ["guard_paused"]

    played(play)


def test_one_run_is_not_judged_twice() -> None:
    """A stream of which one run alone has sent says nothing beside it."""

    async def play(w: World) -> None:
        await w.stream("bulk", Kind.BULK)
        idle = await small(w, "idle", n=0, bad=0)
        run = await small(w, "letter", n=100, bad=4, rows=100)
        assert await twice(w) == 1 and await twice(w) == 0
        assert await said(w) == ["guard_warned"] and await w.ledger.guards.streams() == []
        assert await states(w, idle, run) == ["running", "running"]

    played(play)


def test_where_nothing_runs_the_stream_is_warned_of() -> None:
    """Small lists that were faster than their bounces: nothing is left to pause, and a person should know. Those of
    before the window count no more."""

    async def play(w: World) -> None:
        await finished(w, "one", n=6)
        w.now += 8 * DAY
        two = await finished(w, "two", n=6)
        assert await twice(w) == 0
        three = await finished(w, "three", n=6)
        assert await twice(w) == 1 and await twice(w) == 0
        [entry] = [entry for entry in await w.journal() if entry.kind.startswith("guard_")]
        assert (entry.kind, entry.run, entry.data["verdict"].sent) == ("guard_warned", three, 12)
        assert await states(w, two, three) == ["done", "done"]

    played(play)


def test_a_stream_is_only_warned_of_where_it_may_not_be_paused() -> None:
    """`guard = "warn"` holds for the whole, `guard = "off"` is silent."""

    async def play(w: World) -> None:
        runs = [await small(w, f"list-{k}", bad=4) for k in range(2)]
        for most in (Level.QUIET, Level.WARNED, Level.WARNED):

            def mine(_: str, most: Level = most) -> Rules:
                return msgspec.structs.replace(RULES, most=most)

            await guard(w.ledger, mine, w.now)
            assert len(await said(w)) == (most is Level.WARNED)
        assert await states(w, *runs) == ["running", "running"]

    played(play)


def test_a_warning_of_a_stream_expires() -> None:
    """A week later it may be said again, of what began since, and not of what it was said of."""

    def warn(_: str) -> Rules:
        return msgspec.structs.replace(RULES, most=Level.WARNED)

    async def look(w: World) -> int:
        return len(await guard(w.ledger, warn, w.now)) + len(await guard(w.ledger, warn, w.now))

    async def play(w: World) -> None:
        for k in range(2):
            await small(w, f"list-{k}")
        assert await look(w) == 1
        w.now += 6 * DAY
        await small(w, "later")
        assert await look(w) == 0
        w.now += 2 * DAY
        assert await look(w) == 0
        await small(w, "today", n=4)
        assert await look(w) == 1
        assert (await w.journal())[-1].data["verdict"].sent == 12

    played(play)


def test_new_lists_of_a_paused_stream_are_watched() -> None:
    """Nobody has resumed the old ones, or they were cancelled: what starts now is judged all the same, by itself."""

    async def play(w: World) -> None:
        old = [await small(w, f"old-{k}") for k in range(2)]
        assert await twice(w) == 1
        w.now += MINUTE
        new = [await small(w, f"new-{k}", n=9, bad=0) for k in range(2)]
        assert await twice(w) == 0 and await twice(w) == 0
        assert await states(w, *old, *new) == ["paused", "paused", "running", "running"]
        for run in new:
            await w.fold(*(w.event(EventKind.BOUNCED, claimed, **DEAD) for claimed in await sent(w, run, 1)))
        assert await twice(w) == 1
        assert await states(w, *new) == ["paused", "paused"]

    played(play)


@pytest.mark.parametrize("seed", range(6))
def test_a_walk_of_a_stream(seed: int) -> None:
    """Whatever comes in whatever order: after a look what still runs is within the limits as a whole, and no run is
    paused more often than somebody set it going. It is the stream that is paused, at least once."""
    random = Random(seed)

    async def play(w: World) -> None:
        runs = [await small(w, f"list-{k}", n=0, bad=0, rows=80) for k in range(8)]
        out: list[Claimed] = []
        went = dict.fromkeys(runs, 1)
        for _ in range(120):
            w.now += random.randrange(1, 5_000)
            run = random.choice(runs)
            match random.choice(("send", "send", "bounce", "look", "look", "resume", "by hand")):
                case "send":
                    out += await sent(w, run, random.randrange(1, 5))
                case "bounce" if out:
                    await w.fold(w.event(EventKind.BOUNCED, random.choice(out), **DEAD))
                case "resume" if (await w.run(run)).state == "paused":
                    await w.move(run, "running")
                    went[run] += 1
                case "by hand" if (await w.run(run)).state == "running":
                    await w.move(run, "paused")
                case _:
                    await twice(w)
                    [stream] = await w.ledger.guards.streams() or [WatchedStream("bulk")]
                    whole = [(one.run.created, one.figures) for one in await w.ledger.guards.watched()]
                    figures = together(whole, stream.since, stream.level)
                    assert figures is None or judge(figures, RULES) is None
        paused = [entry for entry in await w.journal() if entry.kind == "guard_paused"]
        assert all(sum(entry.run == run for entry in paused) <= went[run] for run in runs)
        assert any(entry.data["verdict"].stream for entry in paused)

    played(play)


def test_the_log_names_what_a_stream_stopped(caplog: pytest.LogCaptureFixture) -> None:
    """One line for the whole stream."""

    async def play(w: World) -> None:
        for k in range(2):
            await small(w, f"list-{k}")
        clock = VirtualClock()
        clock.wall = w.now
        watching = asyncio.create_task(watch(w.ledger, rules, clock, 5))
        while len(clock.slept) < 2:  # noqa: ASYNC110  the clock is virtual: nothing is waited for
            await asyncio.sleep(0)
        watching.cancel()

    played(play)
    assert [record.getMessage() for record in caplog.records] == [
        "stream bulk, all together: 2 of 16 mails of the stream 'bulk' came back for good (12.5 %; the limit is 5 %). "
        "Paused: list-0, list-1."
    ]
