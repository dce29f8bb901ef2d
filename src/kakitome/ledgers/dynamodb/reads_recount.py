"""Counters anew from the messages, where some of the stream was gone before it was read.

Every document that was not written while the messages were gone through is replaced, over the very revision that it had
before; the feed goes on behind it. What moved meanwhile is left as it is, and said: it is right once the ledger rests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable

from kakitome.core.ids import MessageId, first_of
from kakitome.ledgers.dynamodb import counters, feed_gaps
from kakitome.ledgers.dynamodb.codec import Case, Shelved
from kakitome.ledgers.dynamodb.counters import LARGEST, QUARTERS, Cell
from kakitome.ledgers.dynamodb.counters_kept import Cells, Document, Taken, opened
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.figures import quartered
from kakitome.ledgers.dynamodb.guards import within
from kakitome.ledgers.dynamodb.items import image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key, key_of
from kakitome.ledgers.dynamodb.reads_verify import HIGHEST, pruned_runs, raise_to
from kakitome.ledgers.dynamodb.reads_walk import rows, singles
from kakitome.ports.reads import Recounted


class Rewriting:
    def __init__(self, desk: Desk, feed: Feed) -> None:
        self._desk = desk
        self._feed = feed

    async def recount(self, now: int) -> Recounted:
        await self._feed.catch_up()
        gaps = await feed_gaps.known(self._desk)
        cases = await self._desk.cases.all()
        before = await self._documents(cases)
        found = Counter[Cell]()
        async for messages in self._all(cases, now):
            for there in messages:
                found.update(counters.adds(there))
                raise_to(found, counters.largest(there))
        await self._feed.catch_up()
        recounted: dict[Key, Cells] = {key: {} for key in before}
        for (key, name), n in found.items():
            recounted.setdefault(key, {})[name] = n
        done = await self._written(cases, before, recounted)
        if not done.moving:
            await feed_gaps.forget(self._desk, gaps)
        return done

    async def _written(self, cases: list[Case], before: dict[Key, Item], recounted: dict[Key, Cells]) -> Recounted:
        written = moving = 0
        pruned, since = pruned_runs(cases), {counters.of_guard(c.book.run.id): c.book.guard.since for c in cases}
        furthest = _furthest(opened(item) for item in before.values())
        for key, new in recounted.items():
            item = before.get(key)
            old = opened(item) if item is not None else Document(furthest)
            cells = _kept(key, old.cells, new, pruned)
            if _say_the_same(old.cells, cells, since.get(key)):
                continue
            revision = None if item is None else image_of(item).revision
            if await self._feed.counters.replace(key, Document(old.taken, cells), revision):
                written += 1
            else:
                moving += 1
        return Recounted(written, moving)

    async def _documents(self, cases: Iterable[Case]) -> dict[Key, Item]:
        query = self._desk.table.query
        items = await query(QUARTERS, since=" ", until=HIGHEST)
        lanes = {quartered(name)[1] for item in items for name in opened(item).cells}
        for pk in [f"C{case.book.run.id:x}" for case in cases] + sorted(map(counters.of_lane, lanes)):
            items += await query(pk, since=" ", until=HIGHEST)
        return {key_of(item): item for item in items}

    async def _all(self, cases: Iterable[Case], now: int) -> AsyncIterator[list[Shelved]]:
        """Single mails from the first stream's day until now, whatever the counters know of them."""
        begun: list[int] = []
        for case in cases:
            if case.book.run.campaign:
                async for found in rows(self._desk, case):
                    yield found
            else:
                begun.append(case.book.run.created)
        if begun:
            async for found in singles(self._desk, MessageId(first_of(min(begun))), MessageId(first_of(now + 1) - 1)):
                yield found


def _kept(key: Key, old: Cells, new: Cells, pruned: Collection[str]) -> Cells:
    """With what can only be known from before: the largest that there ever was, and what was thrown away."""
    cells = {name: max(n, new.get(name, n)) for name, n in old.items() if name.startswith(LARGEST)}
    if key.pk[1:] in pruned or (pruned and key.pk.startswith(counters.of_lane(""))):
        return dict(old)
    if key.pk == QUARTERS:
        cells |= {name: n for name, n in old.items() if quartered(name)[0] in pruned}
    return counters.bounded(new) if counters.is_bounded(key) else {**new, **cells}


def _say_the_same(old: Cells, new: Cells, guarded: int | None) -> bool:
    """Of a guard's cells what they say within its window: the older ones may be put together."""
    if counters.is_full(old) and counters.is_full(new):
        return counters.together(old) == counters.together(new)
    if guarded is None:
        return old == new
    return all(within(old, letter, guarded) == within(new, letter, guarded) for letter in "bc")


def _furthest(documents: Iterable[Document]) -> Taken:
    """How far the stream is taken in: a document that is not there has nothing of what is behind that."""
    found: Taken = {}
    for document in documents:
        for shard, one in document.taken.items():
            if shard not in found or int(one[0] or 0) > int(found[shard][0] or 0):
                found[shard] = one
    return found
