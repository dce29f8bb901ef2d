"""A table that was restored from a backup does not send again without an operator's word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dynamo_parts import all_items
from dynamo_rig import fresh
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import HOUR, World, hashed

CLAIM = Claiming(worker="w", lane="lane", lease=HOUR * 1_000_000)


@asynccontextmanager
async def restored(original: Table) -> AsyncIterator[Table]:
    """As AWS restores: the same items, in a table of another name."""
    copy = fresh()
    await copy.put_blindly(all_items(original))
    try:
        yield copy
    finally:
        await copy.close()


def test_a_restored_table_is_held_until_somebody_releases_it() -> None:
    """The pinned sequence: back up with one mail queued, send it, restore, look for work. Mail is accepted all the
    while; any process sees the release; and the first table is not concerned."""

    async def play() -> None:
        table = fresh()
        ledger = await DynamoLedger.open(table)
        w = World(ledger)
        [id] = await w.admit()
        async with restored(table) as copy:
            assert len(await w.claim(id)) == 1
            held, other = await DynamoLedger.open(copy), await DynamoLedger.open(copy)
            late = World(held)
            why = await held.held()
            assert why is not None and copy.name in why and table.name in why
            assert await held.runnable.runnable(w.now) == []
            assert await late.claim(id) == await World(other).claim(id) == []
            assert (await held.lookout.look(w.now)).held and not (await ledger.lookout.look(w.now)).held
            [new] = await late.admit()
            assert await other.release("sato", "compared with SES", w.now)
            assert not await held.release("sato", "once more", w.now)
            assert [run.name for run in await held.runnable.runnable(w.now)] == ["stream:booking"]
            assert {one.id for one in await late.claim(id, new)} == {id, new}
            assert await held.held() is await ledger.held() is None
            kinds = [entry.kind for entry in await late.journal()]
            assert (kinds.count("held"), kinds.count("released")) == (1, 1)
            await held.feed.close()
        await ledger.close()

    asyncio.run(play())


def test_rows_come_into_a_held_ledger_without_their_claims() -> None:
    """A child of a Distributed Map leaves them to whoever may send."""

    async def play() -> None:
        table = fresh()
        ledger = await DynamoLedger.open(table)
        first = World(ledger)
        run = await first.open()
        await first.ledger.rows.expect(run, "list", 2, first.now)
        await first.move(run, "running")
        rows = [ImportRow(n, to, hashed(to), "{}") for n, to in enumerate(("a@example.jp", "b@example.jp"))]
        async with restored(table) as copy:
            held = await DynamoLedger.open(copy)
            taken = await held.rows.take(run, "list", rows, CLAIM, first.now, first.now)
            assert (taken.claims, taken.fresh) == ((), 2)
            await held.release("sato", "", first.now)
            taken = await held.rows.take(run, "list", rows, CLAIM, first.now, first.now)
            assert len(taken.claims) == 2
        await ledger.close()

    asyncio.run(play())


def test_a_ledger_at_home_is_asked_once() -> None:
    """Nothing is read for it later."""

    async def play() -> None:
        table = fresh()
        await (await DynamoLedger.open(table.beside(table.name)))._home.begin()
        ledger = await DynamoLedger.open(table)
        gets = list[object]()
        answer = table.get

        async def counted(key: object, strong: bool = True) -> object:
            gets.append(key)
            return await answer(key, strong)  # type: ignore[arg-type]

        table.get = counted  # type: ignore[assignment,method-assign]
        assert await ledger.held() is None and not await ledger._home.is_held(0)
        assert gets == []
        await ledger.close()

    asyncio.run(play())
