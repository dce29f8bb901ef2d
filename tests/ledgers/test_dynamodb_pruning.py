"""A campaign's own table: what lies in it, when it may be thrown away, and what is left then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from dynamo_parts import all_items
from dynamo_rig import asked, fresh
from kakitome.core.errors import KakitomeError, NotFound, Pruned, StateError
from kakitome.core.event import EventKind
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.cases import Cases
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.own import LONGEST, own_name
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ports.reads import Search
from kakitome.testing.ledger_world import DAY, START, World, hashed

A, B, C = (f"{name}@example.jp" for name in "abc")
WINDOW = 14 * DAY
Play = Callable[[DynamoLedger, World], Awaitable[None]]


class Killed(Exception):
    """The process is dead."""


def on_own_tables(play: Play) -> None:
    async def run() -> None:
        ledger = await DynamoLedger.open(fresh(), campaign_tables="own")
        try:
            await play(ledger, World(ledger))
        finally:
            await ledger.close()

    asyncio.run(run())


def tables(ledger: DynamoLedger) -> list[str]:
    """Those of campaigns."""
    names: Sequence[str] = asked("ListTables")["TableNames"]
    return sorted(name for name in names if name.startswith(f"{ledger._table.name}-"))


def of(ledger: DynamoLedger, name: str) -> Table:
    return ledger._table.beside(name)


@asynccontextmanager
async def again(ledger: DynamoLedger) -> AsyncIterator[DynamoLedger]:
    """Another process on the same table, which makes no tables for campaigns."""
    other = await DynamoLedger.open(of(ledger, ledger._table.name))
    try:
        yield other
    finally:
        await other.feed.close()


async def finished(w: World, name: str = "letter") -> tuple[RunId, list[Claimed]]:
    """A campaign of two mails, both sent, one delivered."""
    run = await w.campaign(A, B, name=name)
    sent = await w.claim(*(await w.ledger.messages.due(run, 9, w.now)))
    for k, one in enumerate(sent):
        await w.settle(one, Cause.PROVIDER_ACCEPTED, f"{name}-{k}")
    await w.fold(w.event(EventKind.DELIVERED, sent[0]))
    await w.move(run, "done")
    return run, sent


async def prune(ledger: DynamoLedger, w: World, name: str = "letter") -> str:
    return await ledger.prune(name, "aya", WINDOW, w.now)


async def refused(ledger: DynamoLedger, w: World, why: str) -> StateError:
    """Refused in words, and nothing is gone."""
    before = tables(ledger)
    with pytest.raises(StateError, match=why) as refusal:
        await prune(ledger, w)
    assert "Nothing was deleted" in str(refusal.value)
    assert tables(ledger) == before
    return refusal.value


def test_a_campaigns_rows_lie_in_their_table_and_nothing_else_does() -> None:
    """The run names it before there is a row; single mails, counters and everything else stay in the ledger's own."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run = await w.open()
        [name] = tables(ledger)
        assert name == f"{ledger._table.name}-letter-2027-01-15-{run}"
        await w.take_in(run, "list", A, B)
        await w.move(run, "running")
        await w.admit(C)
        await w.ledger.reads.rows(run)
        kinds = {str(item["pk"])[0] for item in all_items(of(ledger, name))}
        assert kinds == {"c", "P"}
        assert not kinds & {str(item["pk"])[0] for item in all_items(ledger._table)}

    on_own_tables(play)


def test_a_table_has_its_campaigns_name_as_far_as_a_table_may() -> None:
    """Other characters than a table's become “_”; however long the name, day and number of the run are whole."""
    assert own_name("kakitome", "冬の便箋 no. 3", RunId(7), START) == "kakitome-_no._3-2027-01-15-7"
    long = own_name("kakitome", "x" * 300, RunId(7), START)
    assert len(long) == LONGEST and long.endswith("x-2027-01-15-7")


def test_two_who_open_one_campaign_leave_one_table() -> None:
    """Who comes second takes its own back."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        runs = await asyncio.gather(*(w.open() for _ in range(3)))
        assert len(set(runs)) == 1 and len(tables(ledger)) == 1
        await w.take_in(runs[0], "list", A)

    on_own_tables(play)


def test_it_is_not_thrown_away_before_it_is_finished() -> None:
    """While it runs; while events may come; while something waits for a person. Each refusal says why, and when."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run = await w.campaign(A, B)
        await refused(ledger, w, "is running, not done")
        dead, sent = await w.claim(*(await w.ledger.messages.due(run, 9, w.now)))
        await w.settle(sent, Cause.PROVIDER_ACCEPTED, "p")
        await w.settle(dead, Cause.EXHAUSTED)
        await w.move(run, "done")
        w.now += WINDOW - 1
        refusal = await refused(ledger, w, "may still come until 2027-01-29T")
        assert refusal.data["when"] == "2027-01-29T08:00:00+00:00"
        w.now += 1
        await refused(ledger, w, "waits for a person .dead")
        await w.resolve(dead.id, Cause.PERSON_CLOSED)
        [name] = tables(ledger)
        assert await prune(ledger, w) == name
        assert tables(ledger) == []

    on_own_tables(play)


def test_what_is_open_in_a_cancelled_campaign_keeps_it() -> None:
    """A mail that was on its way when the campaign was cancelled has not come back yet."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run = await w.campaign(A, B)
        [claimed, _] = await w.claim(*(await w.ledger.messages.due(run, 9, w.now)))
        await w.move(run, "cancelled")
        w.now += WINDOW
        await refused(ledger, w, "mail of it is still open")
        assert claimed.run == run

    on_own_tables(play)


def test_its_account_stays_and_its_messages_say_where_they_are() -> None:
    """Rows, delivery and the recount are as before; a message and its provider's id answer that they were thrown
    away; a late complaint still suppresses."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run, sent = await finished(w)
        await finished(w, "other")
        before = (
            await w.ledger.reads.rows(run),
            await w.ledger.reads.delivery(run),
            await w.ledger.figures.totals([run]),
        )
        w.now += WINDOW
        late = w.event(EventKind.COMPLAINED, sent[1], provider_message_id="letter-1")
        await prune(ledger, w)
        await w.balance()
        async with again(ledger) as other:
            for one in (ledger, other):
                now = await one.reads.rows(run), await one.reads.delivery(run), await one.figures.totals([run])
                assert now == before
                for ask in (one.reads.messages([sent[0].id]), one.reads.search(Search(provider_id="letter-0"))):
                    with pytest.raises(Pruned, match="'letter', whose rows were thrown away on 2027-01-29"):
                        await ask
                found = await one.reads.search(Search(hash=hashed(A)))
                assert [view.run_name for view in found] == ["other"]
            await w.fold(late)
            [known] = await ledger.suppressions.find([hashed(B)])
            assert known.reason == "complaint"
            assert [entry.kind for entry in await w.journal() if entry.run == run][-1] == "campaign_pruned"

    on_own_tables(play)


def test_a_table_that_comes_later_is_read_too() -> None:
    """By a reader that knew all tables before."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        first, _ = await finished(w)
        assert (await w.ledger.reads.rows(first))["sent"] == 2
        second, _ = await finished(w, "other")
        assert (await w.ledger.reads.rows(second))["sent"] == 2

    on_own_tables(play)


def test_nothing_is_added_to_what_was_thrown_away() -> None:
    """No list, no rows that come by themselves, no going on."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run, sent = await finished(w)
        w.now += WINDOW
        await prune(ledger, w)
        for ask in (
            w.take_in(run, "another", C),
            w.ledger.rows.expect(run, "third", 5, w.now),
            w.ledger.rows.take(run, "third", [], None, w.now, w.now),
            w.move(run, "running"),
        ):
            with pytest.raises(StateError, match="were thrown away, with the table"):
                await ask
        assert await w.claim(sent[0].id) == []
        assert (await w.run(run)).state == "done"

    on_own_tables(play)


@pytest.mark.parametrize("at", ["change", "drop"])
def test_who_is_cut_off_is_completed_by_who_asks_again(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Before the run says so, everything is there; from then on everything counts as gone, until it is."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run, sent = await finished(w)
        before = await w.ledger.reads.rows(run)
        w.now += WINDOW

        async def dies(*_: object) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            where = "kakitome.ledgers.dynamodb.pruning.schema.drop" if at == "drop" else Cases.change
            if at == "drop":
                patched.setattr(str(where), dies)
            else:
                patched.setattr(Cases, "change", dies)
            with pytest.raises(Killed):
                await prune(ledger, w)
        assert len(tables(ledger)) == 1
        async with again(ledger) as other:
            if at == "drop":
                with pytest.raises(Pruned):
                    await other.reads.messages([sent[0].id])
            else:
                assert len(await other.reads.messages([sent[0].id])) == 1
            await other.prune("letter", "sato", WINDOW, w.now)
            assert tables(ledger) == [] and await w.ledger.reads.rows(run) == before

    on_own_tables(play)


def test_shared_rows_and_unknown_names_are_refused() -> None:
    """Rows in the ledger's own table would have to be deleted one by one: it says what to do next time."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        async with again(ledger) as shared:
            w.ledger = shared
            await finished(w)
            w.now += WINDOW
            await refused(ledger, w, "among all others")
            for name in ("nobody", "stream:booking"):
                with pytest.raises(NotFound):
                    await prune(ledger, w, name)

    on_own_tables(play)


def test_a_process_that_knew_the_table_learns_that_it_is_gone() -> None:
    """What it reads then is absent, and nothing of it is an error; a table that vanished by itself is one."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run, sent = await finished(w)
        async with again(ledger) as other:
            assert len(await other.reads.messages([sent[0].id])) == 1
            w.now += WINDOW
            await prune(ledger, w)
            assert await other.reads._desk.shelves([MessageId(sent[1].id)]) == {}
            assert await other.reads._desk.table.query(keys.notes(run)) == []
            assert (await other.reads.rows(run))["sent"] == 2
            lost, [mail, _] = await finished(w, "lost")
            [name] = tables(ledger)
            asked("DeleteTable", TableName=name)
            with pytest.raises(KakitomeError, match="there is no such table"):
                await ledger.reads.messages([MessageId(mail.id)] if mail.run == lost else [])

    on_own_tables(play)
