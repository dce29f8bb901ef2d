"""The journal as it is read: the chain that the feed writes, and what lies with messages and runs."""

from __future__ import annotations

from kakitome.core.ids import MessageId, RunId
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.journal_chain import CHAIN, entries_of

AT_ONCE = 16
"""Records of the chain that are read at once."""
PAUSES = ("campaign_paused", "guard_paused")


class DynamoJournal:
    """`seq` is that of the journal in what `read` answers. The others' is the place in the history of one thing."""

    def __init__(self, desk: Desk, feed: Feed) -> None:
        self._desk = desk
        self._feed = feed

    async def read(self, after: int, n: int) -> list[Entry]:
        await self._feed.fresh()
        table = self._desk.table
        found: list[Entry] = []
        items = await table.query(CHAIN, until=keys.sortable(after + 1), forward=False, limit=1)
        while items and len(found) < n:
            for item in items:
                found += [entry for entry in entries_of(item) if entry.seq > after]
            items = await table.query(CHAIN, after=str(items[-1]["sk"]), limit=AT_ONCE)
        return found[:n]

    async def of(self, message: MessageId) -> list[Entry]:
        shelves = await self._desk.shelves([message])
        if message not in shelves:
            return []
        there = shelves[message]
        return [
            Entry(seq=k, at=one.at, kind=one.kind, run=there.message.run, message=message, data=one.data)
            for k, one in enumerate(there.history, 1)
            if one.about
        ]

    async def paused(self, run: RunId) -> Entry | None:
        case = (await self._desk.cases.of([run])).get(run)
        for k, one in reversed(list(enumerate(case.history if case else (), 1))):
            if one.kind in PAUSES:
                return Entry(seq=k, at=one.at, kind=one.kind, run=run, data=one.data)
        return None

    async def note(self, kind: str, data: dict[str, object], now: int) -> None:
        await self._desk.note(Entry(seq=0, at=now, kind=kind, data=data))
