"""What the sweeper asks and does."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.event import EventKind
from kakitome.core.evidence import STREAK, LaneRecord
from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.policy import Horizons
from kakitome.ledgers.memory.book import Attempt, Book, Message
from kakitome.ledgers.memory.settling import end_claim, settle
from kakitome.ports.messages import Doubt
from kakitome.ports.workers import HEARTBEAT_LIMIT


class MemorySweeps:
    def __init__(self, book: Book) -> None:
        self._book = book

    def _in(self, state: State) -> list[Message]:
        return [m for m in self._book.messages.values() if m.state is state]

    async def expire(self, n: int, now: int) -> int:
        over = [m for m in self._in(State.QUEUED) if m.expires is not None and m.expires <= now]
        over = sorted(over, key=lambda m: (m.expires or 0, m.id))[:n]
        for m in over:
            self._book.change(m, Cause.EXPIRED, now)
            self._book.enter(now, Cause.EXPIRED, run=m.run, ids=[m.id])
        return len(over)

    async def lease_over(self, n: int, now: int) -> int:
        over = [m for m in self._in(State.SENDING) if self._is_over(m, now)][:n]
        settle(self._book, [end_claim(m, Cause.LEASE_OVER, now) for m in over], now)
        return len(over)

    def _is_over(self, m: Message, now: int) -> bool:
        assert m.worker is not None and m.lease is not None
        worker = self._book.workers.get(m.worker)
        return m.lease <= now or (worker is not None and worker.heartbeat <= now - HEARTBEAT_LIMIT)

    async def doubts(self, n: int, now: int) -> list[Doubt]:
        waiting = sorted((m for m in self._in(State.IN_DOUBT) if m.due <= now), key=lambda m: (m.due, m.id))
        return [self._doubt(m) for m in waiting[:n]]

    def _doubt(self, m: Message) -> Doubt:
        newest = m.tries[m.fence]
        run = self._book.runs[m.run].run
        since = m.doubt_since or 0
        return Doubt(m.id, m.fence, m.run, run.policy, newest.lane, newest.begun, since, m.resends, run.stream)

    async def record(self, lane: str, begun: int, horizons: Horizons, now: int) -> LaneRecord:
        """In whole seconds: a ledger need only count acceptances by the second."""
        accepted = [a for a in self._attempts(lane) if a.cause is Cause.PROVIDER_ACCEPTED]
        first, last = (begun - horizons.neighbourhood) // 1000, (begun + horizons.neighbourhood) // 1000
        near = [a for a in accepted if first <= _second(a) <= last]
        streak: list[Attempt] = []
        for second in sorted(
            {_second(a) for a in accepted if _second(a) < (now - horizons.quiet) // 1000}, reverse=True
        ):
            if len(streak) < STREAK:
                streak += [a for a in accepted if _second(a) == second]
        missing = sum(a.proved is None for a in streak)
        most = min(len(streak), STREAK)
        return LaneRecord(
            len(near), sum(a.proved is not None for a in near), most, max(0, most - missing), self._latest(lane)
        )

    def _attempts(self, lane: str) -> list[Attempt]:
        return [a for m in self._book.messages.values() for a in m.tries.values() if a.lane == lane]

    def _latest(self, lane: str) -> int | None:
        """The newest time that the lane's events show. An event of an unknown kind shows nothing."""
        times = [
            kept.event.at
            for kept in self._book.events.values()
            if kept.message is not None
            and kept.fence is not None
            and kept.event.kind is not EventKind.UNKNOWN
            and self._book.messages[kept.message].tries[kept.fence].lane == lane
        ]
        return max(times, default=None)

    async def look_again(self, ids: Sequence[MessageId], at: int) -> None:
        for m in self._book.known(ids):
            if m.state is State.IN_DOUBT:
                m.due = at


def _second(accepted: Attempt) -> int:
    assert accepted.settled is not None
    return accepted.settled // 1000
