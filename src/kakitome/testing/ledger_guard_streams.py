"""The ledger's contract: what the guard says of a stream as a whole, once, and what that does to its runs."""

from __future__ import annotations

import msgspec

from kakitome.core.event import EventKind
from kakitome.core.guard import Figures, Level, Verdict
from kakitome.core.ids import RunId
from kakitome.core.policy import Kind
from kakitome.ports.guards import WatchedStream
from kakitome.testing.ledger_guards import DEAD, figures, sent, verdict
from kakitome.testing.ledger_world import DAY, MINUTE, Clauses, World, clause


def of_bulk(level: Level = Level.PAUSED) -> Verdict:
    return msgspec.structs.replace(verdict(level), stream="bulk")


async def say(w: World, level: Level = Level.PAUSED, since: int = 0) -> list[RunId] | None:
    said = await w.ledger.guards.say_of_stream("bulk", since, of_bulk(level), w.now)
    return None if said is None else list(said)


async def lists(w: World, n: int) -> list[RunId]:
    """Running campaigns of the stream `bulk`, each a minute younger than the one before."""
    runs = []
    for k in range(n):
        runs.append(await w.campaign(f"a{k}@example.jp", f"b{k}@example.jp", name=f"list-{k}"))
        w.now += MINUTE
    return runs


async def entered(w: World) -> list[tuple[str, RunId | None]]:
    return [(entry.kind, entry.run) for entry in await w.journal() if entry.kind.startswith("guard_")]


class GuardStreams(Clauses):
    @clause
    async def test_a_stream_is_paused_with_all_that_runs_of_it(self, w: World) -> None:
        """Its campaigns and single mails that run, in one change, each with its entry and with the verdict as its own;
        other streams go on, and so do those of it that somebody paused or that are done."""
        one, two, done, by_hand = await lists(w, 4)
        single, booking = await w.stream("bulk", Kind.BULK), await w.stream()
        await sent(w, done, 2)
        await w.move(done, "done")
        await w.move(by_hand, "paused")
        assert await w.ledger.guards.streams() == []
        assert await say(w) == sorted([one, two, single])
        assert await entered(w) == [("guard_paused", run) for run in sorted([one, two, single])]
        states = {run.id: run.state for run in await w.ledger.runs.list()}
        assert states[booking] == "running" and states[done] == "done"
        assert {states[run] for run in (one, two, single, by_hand)} == {"paused"}
        assert [there.run.id for there in await w.ledger.guards.watched()] == [booking]
        for run in (one, two, single):
            [watched] = await w.ledger.guards.watched(run)
            assert watched.verdict == of_bulk()
        assert await sent(w, one, 2) == []
        [watched] = await w.ledger.guards.watched(by_hand)
        assert watched.verdict is None
        assert await w.ledger.guards.streams() == [WatchedStream("bulk", 0, w.now, of_bulk())]

    @clause
    async def test_the_guard_speaks_of_a_stream_once(self, w: World) -> None:
        """A warning, then a pause, each once however many workers say it, and of the present window only."""
        [run] = await lists(w, 1)
        assert await say(w, Level.WARNED, since=7) is None
        levels = (Level.WARNED, Level.WARNED, Level.PAUSED, Level.PAUSED, Level.WARNED)
        assert [await say(w, level) for level in levels] == [[run], None, [run], None, None]
        assert await entered(w) == [("guard_warned", run), ("guard_paused", run)]
        entry = (await w.journal())[-1]
        assert msgspec.to_builtins(entry.data["verdict"])["stream"] == "bulk" and entry.data["since"] == 0

    @clause
    async def test_a_warning_is_entered_for_one_run(self, w: World) -> None:
        """For the newest campaign that is running or done, or for the stream's single mails, if it has any: paused or
        not. A stream without any of these is not warned of."""
        assert await say(w, Level.WARNED) is None
        early, late, latest = await lists(w, 3)
        await w.move(latest, "cancelled")
        await w.move(early, "paused")
        await sent(w, late, 2)
        await w.move(late, "done")
        assert await say(w, Level.WARNED) == [late]
        assert await say(w) is None
        assert await w.ledger.guards.begin_stream_window("bulk", 0, w.now)
        single = await w.stream("bulk", Kind.BULK)
        await w.move(single, "paused")
        assert await say(w, Level.WARNED, since=w.now) == [single]
        assert await entered(w) == [("guard_warned", late), ("guard_warned", single)]
        assert (await w.run(late)).state == "done" and (await w.run(early)).state == "paused"

    @clause
    async def test_who_resumes_after_a_streams_pause_begins_both_windows(self, w: World) -> None:
        """The run's and, with the first that is resumed, the stream's: what went out before stops nothing again."""
        one, two = await lists(w, 2)
        [early] = (await sent(w, one, 1))[:1]
        assert await say(w) == [one, two]
        resumed = w.now = w.now + DAY
        await w.move(one, "running")
        assert await w.ledger.guards.streams() == [WatchedStream("bulk", resumed)]
        await w.fold(w.event(EventKind.BOUNCED, early, **DEAD))
        assert await figures(w, one) == Figures(since=resumed)
        assert await say(w, Level.WARNED) is None
        w.now += MINUTE
        await w.move(two, "running")
        assert await figures(w, two) == Figures(since=w.now)
        assert await w.ledger.guards.streams() == [WatchedStream("bulk", resumed)]
        assert await say(w, since=resumed) == [one, two]

    @clause
    async def test_a_run_that_was_paused_alone_resumes_its_stream(self, w: World) -> None:
        """Also the one that the guard paused by its own figures, a moment before the stream."""
        one, _two = await lists(w, 2)
        assert await w.ledger.guards.say(one, 0, verdict(), w.now)
        assert await say(w) is not None
        w.now += MINUTE
        await w.move(one, "running")
        assert await w.ledger.guards.streams() == [WatchedStream("bulk", w.now)]

    @clause
    async def test_other_resumptions_leave_a_stream_as_it_is(self, w: World) -> None:
        """After a person's own pause; and of a run that the guard paused alone, where the stream was only warned of."""
        one, two, three = await lists(w, 3)
        await w.move(three, "paused")
        assert await say(w, Level.WARNED) is not None
        assert await w.ledger.guards.say(one, 0, verdict(), w.now)
        w.now += MINUTE
        await w.move(one, "running")
        await w.move(two, "paused")
        await w.move(two, "running")
        [warned] = await w.ledger.guards.streams()
        assert warned == WatchedStream("bulk", 0, w.now - MINUTE, of_bulk(Level.WARNED))
        assert await say(w) == [one, two]
        await w.move(three, "running")
        [paused] = await w.ledger.guards.streams()
        assert paused == WatchedStream("bulk", 0, w.now, of_bulk())

    @clause
    async def test_a_streams_window_begins_once(self, w: World) -> None:
        """Of two workers one begins it; windows only go forward; then the same may be said again."""
        [run] = await lists(w, 1)
        assert await say(w, Level.WARNED) == [run]
        begun = [await w.ledger.guards.begin_stream_window("bulk", 0, 5) for _ in range(2)]
        assert begun == [True, False]
        assert await w.ledger.guards.begin_stream_window("bulk", 5, 3)
        assert await w.ledger.guards.streams() == [WatchedStream("bulk", 6)]
        assert await say(w, Level.WARNED, since=5) is None
        assert await say(w, Level.WARNED, since=6) == [run]
