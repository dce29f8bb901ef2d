"""What the sweeper asks and does. The rules are the memory ledger's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from kakitome.core.evidence import LaneRecord
from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import State
from kakitome.core.policy import Horizons
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.items import message_id
from kakitome.ledgers.dynamodb.lanes import LaneRecords
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.pages import Pages
from kakitome.ledgers.dynamodb.withdrawing import cancelled_by, withdraw
from kakitome.ledgers.dynamodb.workers import all_workers
from kakitome.ledgers.memory.book import Book, Message
from kakitome.ledgers.memory.sweeps import MemorySweeps
from kakitome.ports.messages import Doubt
from kakitome.ports.workers import HEARTBEAT_LIMIT, WorkerRecord


class DynamoSweeps:
    def __init__(self, desk: Desk, pages: Pages, open: Open, records: LaneRecords) -> None:
        self._desk = desk
        self._pages = pages
        self._open = open
        self._records = records

    async def _live(self, now: int) -> list[Case]:
        """As long as the ledger is held, as one that was restored is, rows in
        tables of campaigns may be another ledger's: what this one knows of workers and lanes says nothing about them.
        """
        live = await self._desk.cases.live()
        return [case for case in live if case.own is None] if await self._desk.home.is_held(now) else live

    async def expire(self, n: int, now: int) -> int:
        def rule(book: Book, _: MessageId) -> int:
            return at_once(MemorySweeps(book).expire(1, now))

        over = 0
        async for ids in self._past(now):
            over += sum((await self._desk.each(ids[: n - over], rule)).values())
            if over >= n:
                break
        return over

    async def _past(self, now: int) -> AsyncIterator[list[MessageId]]:
        """What may be past its time. On the way what a cancelled campaign still has open is withdrawn."""
        for case in await self._live(now):
            run = case.book.run
            if run.state == "cancelled":
                await withdraw(self._desk, self._open, case, cancelled_by(case), now)
            async for entries in self._open.entries(run.id):
                yield [message_id(entry) for entry in entries if isinstance(e := entry.get("e"), int) and e <= now]
            if case.book.expires is not None and case.book.expires <= now:
                async for found in self._pages.first_timers(case, now):
                    yield [m.id for m in found if m.state is State.QUEUED]

    async def lease_over(self, n: int, now: int) -> int:
        workers = {worker.id: worker for worker in await all_workers(self._desk)}
        silent = {id for id, worker in workers.items() if worker.heartbeat <= now - HEARTBEAT_LIMIT}

        def rule(book: Book, _: MessageId) -> int:
            book.workers = dict(workers)
            return at_once(MemorySweeps(book).lease_over(1, now))

        over = 0
        async for ids in self._claimed(workers, silent, now):
            over += sum((await self._desk.each(ids[: n - over], rule)).values())
            if over >= n:
                break
        return over

    async def _claimed(
        self, workers: dict[str, WorkerRecord], silent: set[str], now: int
    ) -> AsyncIterator[list[MessageId]]:
        """Claims that may be over, by their lease or by their worker's silence."""
        for case in await self._live(now):
            async for found in self._open.listed(case.book.run.id, until=now):
                yield _sending(found)
            if case.book.run.campaign:
                async for found in self._pages.claims_over(case, silent, now):
                    yield _sending(found)

    async def doubts(self, n: int, now: int) -> list[Doubt]:
        book = self._desk.book()
        for case in await self._live(now):
            book.runs[case.book.run.id] = case.book
            async for found in self._open.listed(case.book.run.id, until=now):
                book.messages |= {m.id: m for m in found}
        return at_once(MemorySweeps(book).doubts(n, now))

    async def record(self, lane: str, begun: int, horizons: Horizons, now: int) -> LaneRecord:
        return await self._records.around(lane, begun, horizons, now)

    async def look_again(self, ids: Sequence[MessageId], at: int) -> None:
        await self._desk.each(ids, lambda book, id: at_once(MemorySweeps(book).look_again([id], at)))


def _sending(found: Sequence[Message]) -> list[MessageId]:
    return [m.id for m in found if m.state is State.SENDING]
