"""Counters that miss a part of the stream are written anew from the messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dynamo_rig import fresh
from kakitome.core.errors import StateError
from kakitome.core.event import EventKind
from kakitome.core.lifecycle import Cause
from kakitome.ledgers.dynamodb import counters, feed_gaps
from kakitome.ledgers.dynamodb.counters_kept import opened
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.stream import Record
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.reads import Recounted
from kakitome.testing.ledger_world import World

Play = Callable[[DynamoLedger, World], Awaitable[None]]


def on_a_table(play: Play) -> None:
    async def run() -> None:
        ledger = await DynamoLedger.open(fresh())
        try:
            await play(ledger, World(ledger))
        finally:
            await ledger.close()

    asyncio.run(run())


async def sent(w: World, n: int = 3) -> None:
    run = await w.campaign(*(f"{k}@example.jp" for k in range(n)), name=f"of {n}")
    for one in [*(await w.claim(*(await w.ledger.messages.due(run, n, w.now)))), await w.one()]:
        await w.settle(one, Cause.PROVIDER_ACCEPTED, f"p{one.id}")
        await w.fold(w.event(EventKind.DELIVERED, one))


async def losing(ledger: DynamoLedger, lost: Awaitable[object]) -> None:
    """What happens meanwhile is gone from the stream before it is read, and the next reader finds it so."""
    await ledger.feed.catch_up()
    fold = ledger.feed._fold

    async def gone(shard: str, records: list[Record]) -> None:
        ledger.feed._positions[shard] = records[-1].sequence
        ledger.feed._gaps.add(shard)

    ledger.feed._fold = gone  # type: ignore[method-assign,assignment]
    await lost
    await ledger.feed.catch_up()
    ledger.feed._fold = fold  # type: ignore[method-assign]


def test_a_recount_gives_back_what_the_stream_lost() -> None:
    """A gap is said by `verify` and in the journal; the recount writes the documents, those that were never there and
    mails that no counter knows among them; then all agree, and what comes later is counted as ever."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        await losing(ledger, sent(w))
        await sent(w, 2)
        found = {one.what: one.found for one in await ledger.reads.verify()}
        assert found["parts of the stream that were gone before they were read: recount"] >= 1 and len(found) > 3
        assert "feed_gap" in [entry.kind for entry in await w.journal()]
        done = await ledger.recount(w.now)
        assert done.written > 3 and done.moving == 0
        assert await ledger.reads.verify() == []
        assert await ledger.recount(w.now) == Recounted(0, 0)
        await sent(w, 4)
        assert await ledger.reads.verify() == []

    on_a_table(play)


def test_what_is_counted_during_a_recount_is_not_undone() -> None:
    """A feed elsewhere folds between the walk and the writes: its document is left as it is, and said; the gap stays
    known until a recount has all."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        await losing(ledger, sent(w))
        await sent(w, 2)
        claimed = await w.one()
        other = await DynamoLedger.open(ledger._table.beside(ledger._table.name))
        catch_up, looks = ledger.feed.catch_up, list[None]()

        async def and_another() -> None:
            await catch_up()
            looks.append(None)
            if len(looks) == 2:
                await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "late")
                await other.feed.catch_up()

        ledger.feed.catch_up = and_another  # type: ignore[method-assign]
        assert (await ledger.recount(w.now)).moving > 0
        assert (await feed_gaps.known(ledger.reads._desk)).shards
        ledger.feed.catch_up = catch_up  # type: ignore[method-assign]
        item = await ledger._table.get(counters.of_run(claimed.run))
        assert item is not None and opened(item).cells["ssent"] >= 1
        assert (await ledger.recount(w.now)).moving == 0
        assert await ledger.reads.verify() == []
        await other.feed.close()

    on_a_table(play)


def test_a_file_needs_no_recount(tmp_path: Path) -> None:
    """Its counters change together with its mails, and it says so."""

    async def play() -> None:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        with pytest.raises(StateError, match="cannot miss any"):
            await ledger.recount(0)
        await ledger.close()

    asyncio.run(play())
