"""What the guard asks and says. Figures are counted anew."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.guard import RANK, Figures, Level, Verdict, counts
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import State
from kakitome.ledgers.memory.book import Book, GuardBook, Message, RunBook, StreamGuardBook, heard
from kakitome.ports.guards import Watched, WatchedStream


class MemoryGuards:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def watched(self, campaign: RunId | None = None, since: int | None = None) -> Sequence[Watched]:
        runs = sorted(self._book.runs)
        wanted = [id for id in runs if self._is_running(id) or self._was_done(id, since)] if campaign is None else runs
        return [self._watched(id) for id in wanted if campaign in (None, id)]

    def _was_done(self, id: RunId, since: int | None) -> bool:
        run = self._book.runs[id].run
        return since is not None and run.campaign and run.state == "done" and run.created >= since

    def _is_running(self, run: RunId) -> bool:
        return self._book.runs[run].run.state == "running"

    def _watched(self, run: RunId) -> Watched:
        there = self._book.runs[run]
        of = self._book.of_run(run)
        told = [counts(heard(self._book.about(m.id))) for m in of if last_begun(m) >= there.guard.since]
        sent = _sent(self._book, run) + _in_hand(self._book, run)
        return watched(there, sent, sum(bounced for bounced, _ in told), sum(complained for _, complained in told))

    async def say(self, run: RunId, since: int, verdict: Verdict, now: int) -> bool:
        guard = self._book.run(run).guard
        said = RANK[guard.verdict.level] if guard.verdict else 0
        if guard.since != since or RANK[verdict.level] <= said:
            return False
        is_done = self._book.run(run).run.state == "done"
        if not self._is_running(run) and not (is_done and verdict.level is Level.WARNED):
            return False
        guard.verdict = verdict
        if verdict.level is Level.PAUSED:
            self._book.set_state(run, "paused")
        self._book.enter(now, f"guard_{verdict.level}", run=run, verdict=verdict, since=since)
        return True

    async def begin_window(self, run: RunId, since: int, now: int) -> bool:
        if self._book.run(run).guard.since != since:
            return False
        _begin(self._book, run, now)
        return True

    async def streams(self) -> Sequence[WatchedStream]:
        return [WatchedStream(s, g.since, g.said, g.verdict) for s, g in sorted(self._book.stream_guards.items())]

    async def say_of_stream(self, stream: str, since: int, verdict: Verdict, now: int) -> Sequence[RunId] | None:
        there = self._book.stream_guards.get(stream, StreamGuardBook())
        said = RANK[there.verdict.level] if there.verdict else 0
        if there.since != since or RANK[verdict.level] <= said:
            return None
        runs = self._running(stream) if verdict.level is Level.PAUSED else self._spoken_of(stream)
        if not runs:
            return None
        self._book.stream_guards[stream] = StreamGuardBook(since, now, verdict)
        for run in runs:
            if verdict.level is Level.PAUSED:
                self._book.runs[run].guard.verdict = verdict
                self._book.set_state(run, "paused")
            self._book.enter(now, f"guard_{verdict.level}", run=run, verdict=verdict, since=since)
        return runs

    def _running(self, stream: str) -> list[RunId]:
        return [id for id in sorted(self._book.runs) if self._is_running(id) and self._stream(id) == stream]

    def _spoken_of(self, stream: str) -> list[RunId]:
        runs = [book.run for book in self._book.runs.values() if book.run.stream == stream]
        told = [run for run in runs if not run.campaign or run.state in ("running", "done")]
        return [run.id for run in sorted(told, key=lambda run: (run.campaign, -run.created, -run.id))[:1]]

    def _stream(self, run: RunId) -> str:
        return self._book.runs[run].run.stream

    async def begin_stream_window(self, stream: str, since: int, to: int) -> bool:
        if self._book.stream_guards.get(stream, StreamGuardBook()).since != since:
            return False
        self._book.stream_guards[stream] = StreamGuardBook(max(to, since + 1))
        return True


def watched(there: RunBook, sent: int, bounced: int, complained: int) -> Watched:
    """`sent` since the run began, the others since its window did."""
    guard = there.guard
    level = guard.verdict.level if guard.verdict else Level.QUIET
    sent -= guard.sent_before
    figures = Figures(since=guard.since, level=level, sent=sent, bounced=bounced, complained=complained)
    return Watched(there.run, figures, guard.verdict)


def resumed(book: Book, run: RunId, now: int) -> None:
    """Somebody lets a run go on: after a pause of the guard's, only what is sent from now on counts, and after one of
    the whole stream only what begins from now on."""
    verdict = book.runs[run].guard.verdict
    if verdict is None or verdict.level is not Level.PAUSED:
        return
    _begin(book, run, now)
    stream = book.runs[run].run.stream
    there = book.stream_guards.get(stream)
    if there and there.verdict and there.verdict.level is Level.PAUSED:
        book.stream_guards[stream] = StreamGuardBook(max(now, there.since + 1))


def _begin(book: Book, run: RunId, now: int) -> None:
    book.runs[run].guard = GuardBook(max(now, book.runs[run].guard.since + 1), _sent(book, run))


def _sent(book: Book, run: RunId) -> int:
    return sum(m.state is State.SENT for m in book.of_run(run))


def _in_hand(book: Book, run: RunId) -> int:
    return sum(m.state is State.SENDING for m in book.of_run(run))


def last_begun(message: Message) -> int:
    return max((attempt.begun for attempt in message.tries.values()), default=-1)
