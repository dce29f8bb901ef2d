"""A table that was restored from a backup does not send again without an operator's word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dynamo_parts import all_items
from dynamo_rig import asked, fresh
from kakitome.core.errors import LedgerUnavailable, Pruned, StateError
from kakitome.core.lifecycle import Cause, State
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import DAY, HOUR, MINUTE, World, hashed

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


@asynccontextmanager
async def campaign_at_work() -> AsyncIterator[tuple[DynamoLedger, World, DynamoLedger, World]]:
    """A campaign of two rows with a table of its own. At the backup its worker had begun; since then it has claimed one
    row and is alive. The ledger, and the one that was restored from its backup."""
    ledger = await DynamoLedger.open(fresh(), campaign_tables="own")
    first = World(ledger)
    await first.campaign("a@example.jp", "b@example.jp")
    await first.begin()
    try:
        async with restored(ledger._table) as copy:
            held = await DynamoLedger.open(copy)
            try:
                yield ledger, first, held, World(held)
            finally:
                await held.feed.close()
    finally:
        await ledger.close()


def test_a_restored_ledger_leaves_tables_of_campaigns_alone() -> None:
    """They were not restored, and the first ledger may be at work in them: by what the second one knows its workers are
    silent, and their claims would be ended before their time, so that two mails went out."""

    async def play() -> None:
        async with campaign_at_work() as (ledger, first, held, late):
            [run] = [run.id for run in await held.runs.list()]
            [id, other] = await first.ledger.messages.due(run, 9, first.now)
            first.now = late.now = first.now + 5 * MINUTE
            await ledger.workers.beat("w1", first.now)
            [claimed] = await first.claim(id)
            assert await late.claim(other) == [] and await held.runnable.runnable(late.now) == []
            assert await held.sweeps.lease_over(9, late.now) == 0
            [view] = await ledger.reads.messages([id])
            assert view.state is State.SENDING
            why = await held.held()
            assert why is not None and why.endswith(
                "the rows of letter lie in tables that were not, and are left alone"
            )
            late.now += HOUR  # longer than the claim's lease
            assert await held.sweeps.lease_over(9, late.now) == 0
            assert await held.sweeps.doubts(9, late.now) == []
            await held.release("sato", "the other one is stopped", late.now)
            assert await held.sweeps.lease_over(9, late.now) == 1
            [doubt] = await held.sweeps.doubts(9, late.now)
            assert doubt.id == claimed.id
            assert [one.id for one in await late.claim(other)] == [other]
            assert await first.claim(other) == []

    asyncio.run(play())


def test_a_restored_ledger_throws_no_table_away() -> None:
    """The first one may be at work in it. Once it is released it may."""

    async def play() -> None:
        async with campaign_at_work() as (_, first, held, late):
            [run] = [run.id for run in await held.runs.list()]
            for claimed in await first.claim(*(await first.ledger.messages.due(run, 9, first.now))):
                await first.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{claimed.id}")
            await late.move(run, "done")
            late.now += 15 * DAY
            with pytest.raises(StateError, match="by the one that it was restored from"):
                await held.prune("letter", "sato", DAY, late.now)
            assert len(await held.reads.messages(await held.messages.due(run, 9, late.now))) == 0
            await held.release("sato", "", late.now)
            table = await held.prune("letter", "sato", DAY, late.now)
            assert table not in asked("ListTables")["TableNames"]

    asyncio.run(play())


def test_what_was_thrown_away_since_the_backup_can_be_said_here_too() -> None:
    """By the same command, at once and whatever the campaign was at: until then it stops the sweeper, in words."""

    async def play() -> None:
        async with campaign_at_work() as (ledger, first, held, late):
            [run] = [run.id for run in await held.runs.list()]
            [id, _] = await first.ledger.messages.due(run, 9, first.now)
            named = f"{ledger._table.name}-letter-"
            [table] = [name for name in asked("ListTables")["TableNames"] if name.startswith(named)]
            asked("DeleteTable", TableName=table)
            await held.release("sato", "", late.now)
            with pytest.raises(LedgerUnavailable, match=f"lay in {table}, and there is no such table") as lost:
                await held.sweeps.lease_over(9, late.now)
            assert "ledger prune --campaign NAME" in lost.value.remedy
            assert await held.prune("letter", "sato", DAY, late.now) == table
            assert (await late.run(run)).state == "cancelled"
            assert await held.sweeps.lease_over(9, late.now) == 0
            with pytest.raises(Pruned):
                await held.reads.messages([id])
            kinds = [entry.kind for entry in await late.journal() if entry.run == run]
            assert kinds[-2:] == ["campaign_cancelled", "campaign_pruned"]

    asyncio.run(play())
