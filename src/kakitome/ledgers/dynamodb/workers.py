"""Workers, each an item of its own, and the end of their claims. The rules are the memory ledger's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Entry, Settlement
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.events import Early
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.pages import Pages
from kakitome.ledgers.memory.book import Book, Message
from kakitome.ledgers.memory.settling import settle
from kakitome.ledgers.memory.workers import NO_MARK, ending
from kakitome.ports.workers import Mark, MarkKind, Reaped, WorkerRecord

SILENT_S: Final = 7 * 24 * 3600
"""Seconds without a beat after which a worker is forgotten: a function that AWS stopped says no farewell. The leases of
its claims were over long ago."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(WorkerRecord).decode


async def all_workers(desk: Desk) -> Sequence[WorkerRecord]:
    return [_unpack(image_of(item).body) for item in await desk.table.query(keys.WORKERS)]


class DynamoWorkers:
    def __init__(self, desk: Desk, pages: Pages, open: Open, early: Early) -> None:
        self._desk = desk
        self._pages = pages
        self._open = open
        self._early = early

    async def begin(self, worker: WorkerRecord) -> None:
        told = _entry(worker.heartbeat, "worker_began", worker=worker.id, host=worker.host)
        await self._desk.put_over(_item(worker, [told]))

    async def beat(self, worker: str, now: int) -> None:
        there = await self._desk.table.get(_key(worker))
        if there:
            image = image_of(there)
            beaten = msgspec.structs.replace(_unpack(image.body), heartbeat=now)
            await self._desk.table.put(_item(beaten), image.revision, self._desk.token())

    async def all(self) -> Sequence[WorkerRecord]:
        return await all_workers(self._desk)

    async def reap(self, worker: str, marks: Sequence[Mark] | None, now: int) -> Reaped:
        """The claims first and the worker after them: who is cut off in between reaps again."""
        by_claim = {(mark.message, mark.fence): mark for mark in marks or ()}
        causes: list[Cause] = []

        def rule(book: Book, id: MessageId) -> list[Settlement]:
            m = book.messages[id]
            if m.state is State.SENDING and m.worker == worker:
                mark = None if marks is None else by_claim.get((id, m.fence), NO_MARK)
                endings = [ending(m, mark, now)]
            else:
                endings = []
            # A claim that was ended by its lease may still have its answer in a mark: that answer is proof.
            endings += [
                Settlement(id=id, fence=mark.fence, cause=Cause.PROVIDER_ACCEPTED, provider_id=mark.provider_id or None)
                for (message, fence), mark in by_claim.items()
                if message == id and mark.kind is MarkKind.ACCEPTED and all(fence != e.fence for e in endings)
            ]
            settle(book, endings, now)
            return endings

        async for ids in self._held(worker, [mark.message for mark in marks or ()], now):
            said = await self._desk.each(ids, rule)
            settled = [ending for endings in said.values() for ending in endings]
            causes += [ending.cause for ending in settled]
            await self._early.attempts_known([(e.provider_id, e.id) for e in settled if e.provider_id], now)
        await self._desk.table.delete(_key(worker), None, self._desk.token())
        await self._desk.note(_entry(now, "worker_reaped", worker=worker))
        return Reaped(
            queued=causes.count(Cause.WORKER_GONE_UNMARKED),
            sent=causes.count(Cause.PROVIDER_ACCEPTED),
            in_doubt=causes.count(Cause.WORKER_GONE_MARKED),
        )

    async def _held(self, worker: str, marked: Sequence[MessageId], now: int) -> AsyncIterator[list[MessageId]]:
        """What the worker may hold, each once, and what its marks are about."""
        seen: set[MessageId] = set()

        def new(ids: Sequence[MessageId]) -> list[MessageId]:
            fresh = [id for id in ids if id not in seen]
            seen.update(fresh)
            return fresh

        yield new(marked)
        for run in [case.book.run for case in await self._desk.cases.live()]:
            async for found in self._open.listed(run.id):
                yield new(_held_by(worker, found))
            for note in await self._pages.notes(run.id) if run.campaign else ():
                if worker in note.workers:
                    yield new(_held_by(worker, await self._pages.behind(run.id, note)))

    async def end(self, worker: str, now: int) -> None:
        await self._desk.table.delete(_key(worker), None, self._desk.token())
        await self._desk.note(_entry(now, "worker_ended", worker=worker))


def _held_by(worker: str, found: Sequence[Message]) -> list[MessageId]:
    return [m.id for m in found if m.state is State.SENDING and m.worker == worker]


def _item(worker: WorkerRecord, told: Sequence[Entry] = ()) -> Item:
    return body_item(_key(worker.id), _pack(worker), told) | {"x": worker.heartbeat // 1000 + SILENT_S}


def _key(worker: str) -> Key:
    return Key(keys.WORKERS, worker)


def _entry(at: int, kind: str, **data: object) -> Entry:
    return Entry(seq=0, at=at, kind=kind, data=data)
