"""What workers ask before they claim, and a plan before it counts."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.ids import RunId
from kakitome.core.message import Run
from kakitome.core.policy import Kind
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.memory.book import Message


class DynamoRunnable:
    def __init__(self, desk: Desk, open: Open) -> None:
        self._desk = desk
        self._open = open

    async def _running(self) -> list[Case]:
        cases = [case for case in await self._desk.cases.live() if case.book.run.state == "running"]
        return sorted(cases, key=lambda case: _turn(case.book.run))

    async def runnable(self, now: int) -> Sequence[Run]:
        if await self._desk.home.is_held(now):
            return []
        return [case.book.run for case in await self._running() if await self._first(case, now) is not None]

    async def _first(self, case: Case, now: int) -> Message | None:
        return await self._open.first(self._open.queued(case, now, until=now), lambda _: True)

    async def paces(self, run: RunId, now: int) -> Sequence[str]:
        """Each pace that the list has ever had is looked for by itself, until the first of it is found."""
        case = await self._desk.cases.get(run)
        wanted = set(case.paces)
        found: set[str] = set()
        async for messages in self._open.queued(case, now, until=now):
            found |= {m.pace for m in messages}
            if found and found >= wanted:
                break
        return sorted(found)

    async def next_due(self, now: int) -> int | None:
        """Where something is due already it is enough; and of a list that is the only one of its campaign and came in
        as a whole the first page on which something waits: its rows are due together."""
        dues = []
        for case in await self._running():
            is_one = len(case.imports) == 1 and case.imports[0].expected is None
            async for messages in self._open.queued(case, now):
                dues += [m.due for m in messages]
                rows = [m for m in messages if keys.is_row(m.id) and m.fence == 0]
                if rows and (is_one or rows[0].due <= now):
                    break
        return min(dues, default=None)

    async def present(self, run: RunId, hashes: Sequence[int]) -> set[int]:
        case = (await self._desk.cases.of([run])).get(run)
        if case is None or case.bits is None:
            return set()
        there: set[int] = set()
        todo, probe = set(hashes), 0
        while todo:
            by_id = {keys.row_id(run, case.bits, hash, probe): hash for hash in todo}
            shelves = await self._desk.shelves(list(by_id))
            there |= {by_id[id] for id, one in shelves.items() if one.message.hash == by_id[id]}
            todo = {by_id[id] for id, one in shelves.items() if one.message.hash != by_id[id]}
            probe += 1
        return there


def _turn(run: Run) -> tuple[bool, int, int]:
    return run.policy.kind is not Kind.TRANSACTIONAL, run.created, run.id
