"""What workers ask before they claim, and a plan before it counts."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.ids import RunId
from kakitome.core.lifecycle import State
from kakitome.core.message import Run
from kakitome.core.policy import Kind
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.open import Open


class DynamoRunnable:
    def __init__(self, desk: Desk, open: Open) -> None:
        self._desk = desk
        self._open = open

    async def _running(self) -> list[Run]:
        runs = [case.book.run for case in await self._desk.cases.all() if case.book.run.state == "running"]
        return sorted(runs, key=lambda run: (run.policy.kind is not Kind.TRANSACTIONAL, run.created, run.id))

    async def runnable(self, now: int) -> Sequence[Run]:
        return [run for run in await self._running() if await self._open.first(self._open.queued(run, now), _any)]

    async def paces(self, run: RunId, now: int) -> Sequence[str]:
        case = await self._desk.cases.get(run)
        found: set[str] = set()
        async for messages in self._open.queued(case.book.run, now):
            found |= {m.pace for m in messages}
        return sorted(found)

    async def next_due(self, now: int) -> int | None:
        dues = []
        for run in await self._running():
            async for messages in self._open.messages(run, now):
                dues += [m.due for m in messages if m.state is State.QUEUED]
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


def _any(_: object) -> bool:
    return True
