"""What alerts look at: the oldest of what is open, a bounded number of it, and counters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from kakitome.core.alert import GaveUp, RunSeen
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import State
from kakitome.ledgers.dynamodb import counters
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.counters import state_cell
from kakitome.ledgers.dynamodb.counters_kept import Cells
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.journal import DynamoJournal
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.workers import all_workers
from kakitome.ledgers.memory.alerts import news_of, run_seen, waiting
from kakitome.ledgers.memory.book import Message
from kakitome.ports.alerts import Count, News, Sight
from kakitome.ports.workers import HEARTBEAT_LIMIT

CURSOR: Final = Key("C", "alerts")
ENOUGH: Final = 500
"""Messages of a run that a look takes in: by the index those that are due first, then the first pages of a list."""


class Cursor(msgspec.Struct, frozen=True):
    """How far the journal is read for alerts, and when each run last went on, or was last set going."""

    at: int = 0
    went: dict[int, int] = {}
    begun: dict[int, int] = {}


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Cursor).decode


class DynamoLookout:
    def __init__(self, desk: Desk, feed: Feed, open: Open) -> None:
        self._desk = desk
        self._feed = feed
        self._open = open
        self._journal = DynamoJournal(desk, feed)

    async def look(self, now: int) -> Sight:
        cases = sorted(await self._desk.cases.all(), key=lambda case: case.book.run.id)
        _, cursor = await self._cursor()
        running = [case for case in cases if case.book.run.state == "running"]
        seen = [await self._seen(case, cursor, now) for case in running]
        beats = [worker.heartbeat for worker in await all_workers(self._desk)]
        return Sight(
            runs=tuple(run for run in seen if run.oldest is not None),
            gave_up=tuple(await self._gave_up(cases)),
            workers=sum(beat > now - HEARTBEAT_LIMIT for beat in beats),
            last_beat=max(beats, default=None),
            held=await self._desk.home.is_held(now),
        )

    async def _seen(self, case: Case, cursor: Cursor, now: int) -> RunSeen:
        """Where more is open than a look takes in, what was tried before counts only among what is due first."""
        run = case.book.run
        found = await _some(self._open.listed(run.id))
        found += await _some(self._open.first_timers(case, now))
        return run_seen(run, found, now, cursor.went.get(run.id), cursor.begun.get(run.id))

    async def _gave_up(self, cases: Sequence[Case]) -> list[GaveUp]:
        counted = await self._of_runs([case.book.run.id for case in cases])
        found = []
        for run in (case.book.run for case in cases):
            dead, unresolved = (counted[run.id].get(state_cell(s), 0) for s in (State.DEAD, State.UNRESOLVED))
            if dead or unresolved:
                found.append(GaveUp(run=run.id, name=run.name, stream=run.stream, dead=dead, unresolved=unresolved))
        return found

    async def _of_runs(self, runs: Sequence[RunId]) -> dict[RunId, Cells]:
        await self._feed.fresh()
        read = await self._feed.counters.read([counters.of_run(run) for run in runs])
        return {run: read.get(counters.of_run(run), {}) for run in runs}

    async def count(self, runs: Sequence[RunId], now: int) -> dict[RunId, Count]:
        counted = await self._of_runs(runs)
        cases = await self._desk.cases.of(runs)
        found = {}
        for run in runs:
            n = 0
            if run in cases:
                async for messages in self._open.messages(cases[run], now):
                    n += waiting(messages, now)
            found[run] = Count(n, counted[run].get(state_cell(State.SENT), 0))
        return found

    async def news(self, n: int) -> News:
        _, cursor = await self._cursor()
        behind = await self._journal.read(cursor.at, n + 1)
        return news_of(behind[:n], cursor.at, len(behind) > n)

    async def advance(self, news: News) -> bool:
        item, cursor = await self._cursor()
        if cursor.at != news.after:
            return False
        new = Cursor(news.to, _later(cursor.went, news.went), _later(cursor.begun, news.begun))
        if new == cursor:
            return True
        expected = None if item is None else image_of(item).revision
        return await self._desk.table.put(body_item(CURSOR, _pack(new)), expected, self._desk.token()) is None

    async def _cursor(self) -> tuple[Item | None, Cursor]:
        item = await self._desk.table.get(CURSOR)
        return item, Cursor() if item is None else _unpack(image_of(item).body)


async def _some(messages: AsyncIterator[list[Message]]) -> list[Message]:
    found: list[Message] = []
    async for more in messages:
        found += more
        if len(found) >= ENOUGH:
            break
    return found


def _later(known: dict[int, int], newer: dict[RunId, int]) -> dict[int, int]:
    return known | {run: max(at, known.get(run, at)) for run, at in newer.items()}
