"""Where a batch of a run comes from: mail that waits in the ledger, or rows that nobody has seen yet.

Due       what the ledger says is due; claimed by id
Portion   a part of a list that was handed to this worker; each row comes into the ledger together with its claim
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kakitome.core.ids import MessageId
from kakitome.core.lane import Lane
from kakitome.core.message import Claimed, Run
from kakitome.hands import Hands
from kakitome.ports.accounts import Pace
from kakitome.ports.rows import Claiming, Rows
from kakitome.ports.runs import ImportRow


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of one look: how many messages were claimed, and where nothing could be, when to look again and why.
    Of those that were claimed `returned` were not begun: they wait again."""

    claimed: int
    until: int = 0
    reason: str = ""
    returned: int = 0


class Supply(Protocol):
    async def look(self, lane: Lane, n: int) -> tuple[int, Batch]:
        """How many of at most `n` may go through this lane now; and where that is none, what to answer. Claims
        nothing."""
        ...

    async def claim(self, lane: Lane, n: int, lease: int, now: int) -> list[Claimed]:
        """At most `n` of those that were seen by the last look. Durable when this returns."""
        ...


class Due:
    """What waits in the ledger. `pace` is that of the recipients' domains: one batch has only mails of one pace."""

    def __init__(self, run: Run, hands: Hands, pace: Pace | None = None) -> None:
        self._run = run
        self._hands = hands
        self._pace = pace
        self._seen: list[MessageId] = []

    async def look(self, lane: Lane, n: int) -> tuple[int, Batch]:
        now, clock, blame = self._hands.clock.now(), self._hands.clock, self._hands.blame
        if (whole := blame.campaign_kept_off(lane.name, self._run.id, clock.monotonic())) is not None:
            return 0, self._refused([whole])
        kept_off = blame.kept_off(lane.name, clock.monotonic())
        pace = self._pace.name if self._pace else ""
        due = await self._hands.ledger.messages.due(self._run.id, n + len(kept_off), now, pace)
        ends = [kept_off[id] for id in due if id in kept_off]
        self._seen = [id for id in due if id not in kept_off][:n]
        return len(self._seen), self._refused(ends) if ends else Batch(0)

    def _refused(self, ends: Sequence[float]) -> Batch:
        clock = self._hands.clock
        return Batch(0, clock.now() + int(1000 * (min(ends) - clock.monotonic())) + 1, "refused")

    async def claim(self, lane: Lane, n: int, lease: int, now: int) -> list[Claimed]:
        return await self._hands.ledger.messages.claim(self._seen[:n], self._hands.worker, lane.name, lease, now)


class Portion:
    """Rows of one pace. What was taken from `rest` is in the ledger."""

    def __init__(self, run: Run, digest: str, rows: Iterable[ImportRow], ledger: Rows, hands: Hands) -> None:
        self._run = run
        self._digest = digest
        self._ledger = ledger
        self._hands = hands
        self.rest = deque(rows)

    async def look(self, lane: Lane, n: int) -> tuple[int, Batch]:
        return min(n, len(self.rest)), Batch(0)

    async def claim(self, lane: Lane, n: int, lease: int, now: int) -> list[Claimed]:
        return await self._take(min(n, len(self.rest)), Claiming(self._hands.worker, lane.name, lease), now)

    async def leave(self, now: int) -> int:
        """The rest waits in the ledger, for any worker. Answers how many."""
        n = len(self.rest)
        await self._take(n, None, now)
        return n

    async def _take(self, n: int, claim: Claiming | None, now: int) -> list[Claimed]:
        rows = [self.rest[k] for k in range(n)]
        taken = await self._ledger.take(self._run.id, self._digest, rows, claim, now, now)
        for _ in rows:
            self.rest.popleft()
        return list(taken.claims)
