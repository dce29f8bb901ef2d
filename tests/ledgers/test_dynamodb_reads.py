"""What is found without a Scan, and what a recount finds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from dynamo_rig import fresh
from kakitome.core.errors import SearchNeedsKey
from kakitome.core.event import EventKind
from kakitome.core.ids import MessageId, message_text
from kakitome.core.lifecycle import Cause, State
from kakitome.ledgers.dynamodb import counters, keys
from kakitome.ledgers.dynamodb.codec import HISTORY, unpack_message
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.items import bytes_of, message_item
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.reads_walk import AT_ONCE, singles
from kakitome.ports.reads import Search
from kakitome.status import status
from kakitome.testing.ledger_world import DAY, MINUTE, World, hashed

Play = Callable[[DynamoLedger, World], Awaitable[None]]


def on_a_table(play: Play) -> None:
    async def run() -> None:
        ledger = await DynamoLedger.open(fresh())
        try:
            await play(ledger, World(ledger))
        finally:
            await ledger.close()

    asyncio.run(run())


def test_an_address_is_found_in_every_campaign_and_stream() -> None:
    """By its hash alone, without looking at any other mail."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        await w.campaign("a@example.jp", "b@example.jp", name="one")
        await w.campaign("a@example.jp", name="two")
        await w.admit("a@example.jp", "c@example.jp")
        found = await ledger.reads.search(Search(hash=hashed("a@example.jp")))
        assert [view.run_name for view in found] == ["stream:booking", "one", "two"]
        assert len(await ledger.reads.search(Search(hash=hashed("a@example.jp"), n=2))) == 2

    on_a_table(play)


def test_what_came_of_a_claim_may_be_counted_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim lies in a note, whose part of the stream may be read later: nobody sees fewer than none being sent."""
    monkeypatch.setattr(counters, "_of_claims", lambda _: counters.NO_CHANGE)

    async def play(ledger: DynamoLedger, w: World) -> None:
        run = await w.campaign("a@example.jp", "b@example.jp")
        for claimed in await w.claim(*await ledger.messages.due(run, 1, w.now)):
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED)
        assert await w.rows(run) == {"read": 2, "queued": 1, "sent": 1}

    on_a_table(play)


def test_when_a_row_came_is_known_whatever_happened_since() -> None:
    """Its id says nothing of it; a message keeps some entries at hand, and always its first one."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        [id] = await ledger.messages.due(await w.campaign("a@example.jp"), 1, w.now)
        came = w.now
        for _ in range(HISTORY // 2 + 1):
            w.now += MINUTE
            [claimed] = await w.claim(id)
            await w.settle(claimed, Cause.DEFERRED, due=w.now)
        [view] = await ledger.reads.messages([id])
        assert view.accepted == came
        [shelved] = (await ledger.reads._desk.shelves([id])).values()
        assert len(shelved.history) == HISTORY + 1
        moment = (await status(message_text(id), ledger)).messages[0].timeline[0]
        assert moment.at == datetime.fromtimestamp(came / 1000, UTC)

    on_a_table(play)


def test_what_is_open_or_needs_a_person_is_found_by_its_state() -> None:
    """In all runs, rows before their first attempt among them; and what was sent only with its run."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run = await w.campaign("a@example.jp", "b@example.jp", "c@example.jp")
        [single] = await w.admit()
        dead, sent = await w.claim(*(await ledger.messages.due(run, 2, w.now)))
        await w.settle(dead, Cause.EXHAUSTED)
        await w.settle(sent, Cause.PROVIDER_ACCEPTED, "p1")

        async def found(**terms: Any) -> set[MessageId]:
            return {view.id for view in await ledger.reads.search(Search(**terms))}

        rows = {view.id for view in await ledger.reads.search(Search(run=run))}
        assert await found(states=(State.QUEUED,)) == rows - {dead.id, sent.id} | {single}
        assert await found(states=(State.DEAD, State.UNRESOLVED)) == {dead.id}
        assert await found(states=(State.SENT,), run=run) == {sent.id} == await found(provider_id="p1")

    on_a_table(play)


@pytest.mark.parametrize("terms", [{}, {"reference": "r"}, {"delivery": "bounced"}, {"states": (State.SENT,)}])
def test_what_would_need_a_scan_is_refused(terms: dict[str, Any]) -> None:
    """In words, with what to name beside it."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        with pytest.raises(SearchNeedsKey, match="Name the recipient"):
            await ledger.reads.search(Search(**terms))

    on_a_table(play)


def test_a_page_of_a_run_begins_behind_the_one_before() -> None:
    """In the order of the ids, over the pages of a list and over days, each message once."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        rows = await w.open()
        await w.take_in(rows, "list", *(f"{k}@example.jp" for k in range(400)))
        stream = await w.stream()
        for _ in range(3):
            await w.admit("a@example.jp", "b@example.jp", run=stream)
            await w.admit(run=await w.stream("other"))
            w.now += DAY
        for run, n in ((rows, 400), (stream, 6)):
            found: list[MessageId] = []
            while page := await ledger.reads.search(Search(run=run, n=150, after=found[-1] if found else 0)):
                found += [view.id for view in page]
            assert found == sorted(set(found)) and len(found) == n

    on_a_table(play)


def test_a_busy_days_mail_is_gone_through_in_order() -> None:
    """More than is read at once, out of eight partitions of different lengths."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run = await w.stream()
        [first] = await w.admit(run=run)
        item = await ledger.reads._desk.table.get(keys.message(first))
        assert item is not None
        there = unpack_message(bytes_of(item))
        made = []
        for k in range(1, 4 * AT_ONCE):
            there.message.id = MessageId(first + 8 * k + (0 if k % 3 else 1 + k % 7))
            made.append(message_item(there, []) | {"r": 1})
        await ledger.reads._desk.table.put_blindly(made)
        last = MessageId(max(keys.number_of(str(one["sk"])) for one in made))
        found = [one.message.id async for part in singles(ledger.reads._desk, first, last) for one in part]
        assert found == sorted({first, *(MessageId(keys.number_of(str(one["sk"]))) for one in made)})

    on_a_table(play)


def test_a_recount_names_what_is_wrong() -> None:
    """A counter that somebody changed, a message that no rule allows; and nothing once both are as they were."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        claimed = await w.one()
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")
        await w.fold(w.event(EventKind.DELIVERED, claimed))
        assert await ledger.reads.verify() == []
        await ledger.feed.counters.rewrite(counters.of_run(claimed.run), lambda cells: cells | {"wdelivered": 3})
        [wrong] = await ledger.reads.verify()
        assert (wrong.what, wrong.expected, wrong.found) == ("stream:booking: delivery delivered", 1, 3)
        await ledger.feed.counters.rewrite(counters.of_run(claimed.run), lambda cells: cells | {"wdelivered": 1})

        def forget(book: Any, id: MessageId) -> None:
            book.messages[id].tries.clear()
            book.events.clear()

        await ledger.reads._desk.each([claimed.id], forget)
        assert "messages that are sent without an accepted or proved attempt" in [
            one.what for one in await ledger.reads.verify()
        ]

    on_a_table(play)


def test_what_moves_while_it_is_counted_is_no_discrepancy() -> None:
    """A mail that comes in between the walk and the second look is in neither's way."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        run = await w.stream()
        await w.admit(run=run)
        fresh_looks = ledger.feed.fresh
        looks: list[None] = []

        async def while_looking() -> None:
            looks.append(None)
            if len(looks) == 2:
                await w.admit(run=run)
            await fresh_looks()

        feed: Any = ledger.feed
        feed.fresh = while_looking
        assert await ledger.reads.verify() == []
        assert len(looks) == 2

    on_a_table(play)


def test_a_ledger_whose_feed_is_elsewhere_reads_only() -> None:
    """Its counters stand until another takes the stream in; then both say the same."""

    async def play(ledger: DynamoLedger, w: World) -> None:
        [id] = await w.admit()
        run = (await w.view(id)).run
        desk = ledger.reads._desk
        away = DynamoLedger(desk, "elsewhere")
        assert (await away.reads.rows(run))["queued"] == 0
        other = Feed(desk)
        await other.catch_up()
        await other.close()
        assert await away.reads.rows(run) == await ledger.reads.rows(run)
        assert (await away.reads.rows(run))["queued"] == 1

    on_a_table(play)
