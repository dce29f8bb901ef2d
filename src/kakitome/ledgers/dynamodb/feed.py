"""The feed: what the table's stream says, folded exactly once into counters and the journal.

Records of one shard are taken in order, a stretch of them at a time: first by the counters, each of which knows by
itself what it has taken in, then by the journal, whose end says how far the stretch went. Who is cut off in between
leaves something that the next one, who begins at the journal's position, completes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Final, Literal

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb import feed_gaps
from kakitome.ledgers.dynamodb.codec import StoredEntry
from kakitome.ledgers.dynamodb.counters import change
from kakitome.ledgers.dynamodb.counters_kept import Counted, Counters
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed_duty import Duty
from kakitome.ledgers.dynamodb.journal_chain import Chain, Heard, Told, told_by
from kakitome.ledgers.dynamodb.stream import Record, Shard, Trimmed
from kakitome.ledgers.dynamodb.streams import Streams
from kakitome.ports.clock import Clock

log = logging.getLogger("kakitome.feed")

Folds = Literal["reader", "elsewhere"]
"""Who reads the stream: whoever reads a counter, just before; or others, so that a counter may be a moment behind."""

GAP: Final = "feed_gap"
"""Entry: some of the stream was gone before it was read, so counters lack it. `ledger verify` says what."""

PASSED: Final = 5_000
"""Records without anything for the journal after which their position is kept all the same."""


class Feed:
    """One for a process. Any number of them may be at it at once; whoever is second finds it done."""

    def __init__(self, desk: Desk, folds: Folds = "reader") -> None:
        self.counters = Counters(desk)
        self._desk = desk
        self._folds = folds
        self._chain = Chain(desk)
        self._stream = Streams(desk)
        self._duty = Duty(desk)
        self._shards: list[Shard] | None = None
        self._ended: set[str] = set()
        self._iterators: dict[str, str] = {}
        self._positions: dict[str, str] = {}
        self._passed: dict[str, int] = {}
        self._gaps: set[str] = set()
        self._is_behind = False
        self._one_by_one = asyncio.Lock()
        self._begun = self._done = 0

    async def close(self) -> None:
        await self._stream.close()

    async def fresh(self) -> None:
        """Before a counter is read."""
        if self._folds == "reader":
            await self.catch_up()

    async def catch_up(self) -> None:
        """Take in what there is by now. Who asks while another is waiting for the same shares its answer."""
        wanted = self._begun + 1
        async with self._one_by_one:
            if self._done < wanted:
                self._begun += 1
                try:
                    await self._to_the_tip()
                except LedgerUnavailable:
                    self._shards = None  # one that is gone would be asked for for ever
                    raise
                self._done = self._begun

    async def run(self, clock: Clock, every_s: float = 1.0) -> None:
        """For ever, until cancelled: one of all processes that do reads on. An unreachable table is tried again."""
        while True:
            try:
                if await self._duty.is_mine(clock.now()):
                    await self.catch_up()
            except LedgerUnavailable as error:
                log.warning("%s", error)
            await clock.sleep(every_s)

    async def take(self, records: Sequence[Record]) -> None:
        """What Lambda hands over: stretches of shards, each batch behind those that were taken. The event source must
        hand over one batch of a shard at a time, and a failed one again."""
        for shard, some in groupby(records, key=lambda record: record.shard):
            await self._fold(shard, list(some))

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _to_the_tip(self) -> None:
        if self._shards is None:
            self._shards = await self._stream.shards()
            self._is_behind = await self._chain.is_behind({shard.id for shard in self._shards})
        while True:
            ended = len(self._ended)
            for shard in [shard for shard in self._shards if shard.id not in self._ended]:
                there = {known.id for known in self._shards}
                if shard.parent is None or shard.parent in self._ended or shard.parent not in there:
                    await self._read(shard.id)
            if len(self._ended) == ended and not self._stream.begun:
                return
            self._shards = await self._stream.shards()  # where one ends, others begin
            self._ended &= {shard.id for shard in self._shards}

    async def _read(self, shard: str) -> None:
        """To where it ends for now. An empty answer is no proof that it does; what is behind it comes the next time."""
        iterator: str | None = self._iterators.pop(shard, None) or await self._begin(shard)
        refused = False
        while iterator is not None:
            try:
                records, following = await self._stream.read(shard, iterator)
            except Trimmed:  # the iterator is too old; if a new one is refused, too, it is what we look for
                iterator = await (self._begin_anew(shard) if refused else self._begin(shard))
                refused = True
                continue
            refused = False
            if records:
                await self._fold(shard, records)
            elif following is not None:
                self._iterators[shard] = following
                return
            iterator = following
        self._ended.add(shard)

    async def _begin(self, shard: str) -> str:
        after = self._positions.get(shard) or await self._chain.position(shard)
        try:
            return await self._stream.begin(shard, after)
        except Trimmed:
            return await self._begin_anew(shard)

    async def _begin_anew(self, shard: str) -> str:
        self._gaps.add(shard)
        return await self._stream.begin(shard, None)

    async def _fold(self, shard: str, records: Sequence[Record]) -> None:
        last = records[-1]
        counted = [Counted(record.sequence, record.at, change(record.old, record.new)) for record in records]
        await self.counters.take(shard, counted)
        heard = [Heard(record.sequence, record.at, told_by(record.new)) for record in records]
        if self._is_behind or shard in self._gaps:
            await feed_gaps.note(self._desk, shard, records[0].at)
            gap = Told(StoredEntry(records[0].at * 1000, GAP, {"shard": shard}))
            heard[0] = heard[0]._replace(told=[gap, *heard[0].told])
        await self._chain.append(shard, heard)
        self._gaps.discard(shard)
        self._is_behind = False
        self._positions[shard] = last.sequence
        passed = 0 if heard[-1].told else self._passed.get(shard, 0) + len(records)
        if passed >= PASSED:
            await self._chain.passed(shard, last.sequence, last.at)
        self._passed[shard] = passed % PASSED
