"""What the guard said of streams as a whole: a small item for each. The rules are the memory ledger's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.guard import Level, Verdict
from kakitome.core.ids import RunId
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.cases import case_item
from kakitome.ledgers.dynamodb.codec import Case, unpack_run
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.dynamodb.table import TRANSACTION, Conflict, Put
from kakitome.ledgers.memory.book import Book, StreamGuardBook
from kakitome.ledgers.memory.guards import MemoryGuards
from kakitome.ports.guards import WatchedStream

STREAMS: Final = "G"
TRIES: Final = 100

Rule = Callable[[Book], bool]
"""Whether it changed what was said of the stream."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(StreamGuardBook).decode


class StreamGuards:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def all(self) -> list[WatchedStream]:
        """By name."""
        items = await self._desk.table.query(STREAMS)
        there = [(str(item["sk"]), _unpack(image_of(item).body)) for item in items]
        return [WatchedStream(name, one.since, one.said, one.verdict) for name, one in sorted(there, key=_name)]

    async def say(self, stream: str, since: int, verdict: Verdict, now: int) -> Sequence[RunId] | None:
        """In one transaction with the runs. Of more than 99 the first go before; who is cut off there says it again."""
        for _ in range(TRIES):
            item = await self._desk.table.get(_key(stream))
            runs = await self._runs()
            book = self._book(stream, item, runs)
            said = at_once(MemoryGuards(book).say_of_stream(stream, since, verdict, now))
            if said is None:
                return None
            writes = [_case_put(book, runs[run]) for run in said]
            writes.append(_put(stream, item, book.stream_guards[stream]))
            if await self._written(writes):
                return said
        raise LedgerUnavailable("Too many others change the same runs at the same time.", "It is tried again later.")

    async def begin_window(self, stream: str, since: int, to: int) -> bool:
        return await self._change(
            stream, lambda book: at_once(MemoryGuards(book).begin_stream_window(stream, since, to))
        )

    async def resumed(self, stream: str, now: int) -> None:
        """Somebody lets a run go on that the guard paused: after a pause of the whole stream its window begins anew.
        Say it before the run's own change: who is cut off in between finds the run paused, and resumes it again."""

        def rule(book: Book) -> bool:
            there = book.stream_guards.get(stream)
            is_paused = there is not None and there.verdict is not None and there.verdict.level is Level.PAUSED
            if there is not None and is_paused:
                book.stream_guards[stream] = StreamGuardBook(max(now, there.since + 1))
            return is_paused

        await self._change(stream, rule)

    async def _change(self, stream: str, rule: Rule) -> bool:
        for _ in range(TRIES):
            item = await self._desk.table.get(_key(stream))
            book = self._book(stream, item, {})
            if not rule(book):
                return False
            if await self._written([_put(stream, item, book.stream_guards[stream])]):
                return True
        raise LedgerUnavailable("Too many others change the same stream at the same time.", "It is tried again later.")

    async def _runs(self) -> dict[RunId, tuple[Case, int]]:
        items = await self._desk.table.query(keys.RUNS)
        images = [image_of(item) for item in items]
        cases = [(unpack_run(image.body), image.revision) for image in images]
        return {case.book.run.id: (case, revision) for case, revision in cases}

    def _book(self, stream: str, item: Item | None, runs: dict[RunId, tuple[Case, int]]) -> Book:
        book = self._desk.book()
        book.runs = {run: case.book for run, (case, _) in runs.items()}
        if item is not None:
            book.stream_guards[stream] = _unpack(image_of(item).body)
        return book

    async def _written(self, writes: Sequence[Put]) -> bool:
        try:
            for at in range(0, len(writes), TRANSACTION):
                await self._desk.table.transact(writes[at : at + TRANSACTION], self._desk.token())
        except Conflict:
            return False
        return True


def is_held(case: Case) -> bool:
    """Whether the guard paused the run, and nobody has resumed it."""
    verdict = case.book.guard.verdict
    return case.book.run.state == "paused" and verdict is not None and verdict.level is Level.PAUSED


def _name(one: tuple[str, StreamGuardBook]) -> str:
    return one[0]


def _key(stream: str) -> Key:
    return Key(STREAMS, stream)


def _put(stream: str, item: Item | None, book: StreamGuardBook) -> Put:
    return Put(body_item(_key(stream), _pack(book)), None if item is None else image_of(item).revision)


def _case_put(book: Book, there: tuple[Case, int]) -> Put:
    case, revision = there
    told = [entry for entry in book.journal if entry.run == case.book.run.id]
    return Put(case_item(case, told), revision)
