"""Events on DynamoDB: the contract's clauses, a kill at every write, and what a delivery costs."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
import pytest

from dynamo_parts import Killed, Parts, all_items, bounce, parts, play
from kakitome.core.engagement import MOST
from kakitome.core.event import EventKind
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed, Settlement
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.items import bytes_of
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.dynamodb.meter import Meter
from kakitome.ledgers.dynamodb.raws import FULL
from kakitome.ports.records import Folded, NamedEvent
from kakitome.testing.ledger_events import Events
from kakitome.testing.ledger_world import World, hashed


class TestEvents(Events):
    make = staticmethod(parts)


async def happenings(w: World) -> tuple[list[NamedEvent], list[Claimed]]:
    """A batch with everything: by name and by the provider's id, of siblings, of nobody, early, with whom not to write
    to. One event came before."""
    first = await w.one()
    pair = await w.claim(*await w.admit("a@example.jp", "b@example.jp"))
    last = await w.one()
    await w.settle(last, Cause.PROVIDER_ACCEPTED, "p-last")
    await w.fold(w.event(EventKind.UNSUBSCRIBED, provider_message_id="p-first", recipient="aoi@example.jp"))
    siblings: dict[str, Any] = {
        "message": " ".join(w.event(EventKind.SENT, one).event.message or "" for one in pair),
        "attempt": "1 1",
        "provider_message_id": "p-pair",
    }
    events = [
        w.event(EventKind.SENT, first, provider_message_id="p-first"),
        bounce(w, "aoi@example.jp", provider_message_id="p-first"),
        w.event(EventKind.DELIVERED, recipient="a@example.jp", **siblings),
        w.event(EventKind.COMPLAINED, recipient="b@example.jp", **siblings),
        w.event(EventKind.DELIVERED, provider_message_id="p-last"),
        bounce(w, "x@example.jp", provider_message_id="p-nobody"),
        bounce(w, "y@example.jp"),
        w.event(EventKind.UNKNOWN, last),
    ]
    return [with_raw(one) for one in events], [first, *pair, last]


def with_raw(named: NamedEvent, more: str = "") -> NamedEvent:
    raw = msgspec.Raw(msgspec.json.encode({"as": "it came", "key": named.event.key, "more": more}))
    return NamedEvent(msgspec.structs.replace(named.event, raw=raw), named.hash)


async def picture(w: World, ledger: Parts, claims: list[Claimed]) -> dict[str, Any]:
    book = ledger.book
    hashes = [hashed(f"{name}@example.jp") for name in ("aoi", "a", "b", "x", "y")]
    return {
        "messages": [(m, book.events.keys()) for _, m in sorted(book.messages.items())],
        "events": [await ledger.events.of(claimed.id) for claimed in claims],
        "addresses": await ledger.addresses.known(hashes),
        "listed": await ledger.suppressions.list("", 9),
        "journal": sorted((e.kind, e.message or 0, e.run or 0, str(e.data)) for e in book.journal),
        "places": sorted((item["pk"], item["sk"]) for item in all_items(ledger.table) if str(item["pk"])[0] in "pqa"),
    }


async def folded(killed_at: int | None, rival: bool = False) -> tuple[int, dict[str, Any]]:
    """How many writes the fold made, and what there is in the end. Killed, it is repeated by another process; with a
    rival, that one folds the same in between, and each event is new to one of them."""
    ledger = await parts()
    try:
        w = World(ledger)
        events, claims = await happenings(w)
        before, ledger.kill.left = ledger.kill.writes, killed_at
        if killed_at is None:
            assert await w.fold(*events) == Folded(8, 0, 2)
        elif rival:
            theirs = list[Folded]()
            ledger.kill.instead = lambda: fold_into(theirs, World(ledger.reopened()), events)
            mine = await w.fold(*events)
            assert mine.fresh + theirs[0].fresh == 8
        else:
            with pytest.raises(Killed):
                await w.fold(*events)
            ledger.kill.left = None
            w.ledger = ledger = ledger.reopened()
            again = await w.fold(*events)
            assert again.fresh + again.known == 8
        writes = ledger.kill.writes - before
        there = await picture(w, ledger, claims)
        assert await w.fold(*events) == Folded(0, 8, 0)
        assert await picture(w, ledger, claims) == there
        return writes, there
    finally:
        await ledger.close()


def test_a_fold_that_is_cut_off_is_completed_by_its_repetition() -> None:
    """The process dies instead of any of its writes; the same events again, in another process, give the picture of a
    fold that nobody disturbed."""
    writes, whole = asyncio.run(folded(None))
    assert writes > 10
    for n in range(writes):
        assert asyncio.run(folded(n))[1] == whole, n


async def fold_into(said: list[Folded], w: World, events: list[NamedEvent]) -> None:
    said.append(await w.fold(*events))


def test_two_that_fold_the_same_at_once_are_like_one() -> None:
    """Before each write of a fold another process folds the same events: every event counts once, and the picture is
    that of one fold."""
    writes, whole = asyncio.run(folded(None))
    for n in range(writes):
        assert asyncio.run(folded(n, rival=True))[1] == whole, n


def test_settling_and_folding_at_once_miss_nothing() -> None:
    """Whoever learns a provider id, and whoever has an event of it, are interrupted by the other before each of their
    writes: the event always gets to its message, and its address to what it calls for."""

    async def story(first: str, n: int) -> bool:
        ledger = await parts()
        w = World(ledger)
        try:
            claimed = await w.one()
            event = w.event(EventKind.UNSUBSCRIBED, provider_message_id="p", recipient=claimed.address)
            other = World(ledger.reopened())

            async def settle(w: World) -> None:
                await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")

            async def fold(w: World) -> None:
                await w.fold(event)

            mine, theirs = (settle, fold) if first == "settle" else (fold, settle)
            ledger.kill.left, ledger.kill.instead = n, lambda: theirs(other)
            await mine(w)
            interrupted = ledger.kill.left is None
            assert await ledger.events.of(claimed.id) == ([event.event] if interrupted else [])
            held = await ledger.suppressions.find([hashed(claimed.address)])
            assert [s.scope for s in held] == (["stream:booking"] if interrupted else [])
            return interrupted
        finally:
            await ledger.close()

    for first, writes in (("settle", 2), ("fold", 4)):
        for n in range(writes):
            assert asyncio.run(story(first, n)), (first, n)


def test_what_a_delivery_costs() -> None:
    """Of a bulk mail one write, its share of the events as they came, and nothing else; the event again costs none."""
    meter = Meter()

    async def story(w: World, ledger: Parts) -> None:
        n = 50
        run = await w.campaign(*(f"{k}-somebody@example.jp" for k in range(n)))
        claims = await w.claim(*await ledger.messages.due(run, n, w.now))
        for k, claimed in enumerate(claims):
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{k}")
        delivered = [
            with_raw(w.event(EventKind.DELIVERED, claimed, provider_message_id=f"p-{k}"), "x" * 2_000)
            for k, claimed in enumerate(claims)
        ]
        before = meter.write_units
        assert await w.fold(*delivered) == Folded(n, 0, 0)
        assert meter.write_units - before <= n + 3
        before = meter.write_units
        assert await w.fold(*delivered) == Folded(0, n, 0)
        assert meter.write_units == before

    play(story, meter)


def test_events_as_they_came_are_kept_whatever_their_size() -> None:
    """More than an item may have is divided; each event gets its own back, also one that waited for its message."""

    async def story(w: World, ledger: Parts) -> None:
        claimed = await w.one()
        noise = Random(5)
        events = [
            with_raw(w.event(EventKind.DELIVERED, claimed, at=w.now + k), noise.randbytes(70_000).hex())
            for k in range(12)
        ]
        early = with_raw(w.event(EventKind.OPENED, provider_message_id="p", at=w.now + 99))
        await w.fold(*events, early)
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")
        assert await ledger.events.of(claimed.id) == [one.event for one in (*events, early)]
        batches = [item for item in all_items(ledger.table) if str(item["pk"])[0] == "e"]
        assert len(batches) > 1
        assert all(len(bytes_of(item)) <= FULL for item in batches)

    play(story)


def test_a_script_at_a_tracking_pixel_does_not_fill_a_message() -> None:
    """Opens beyond those that count lie beside it: its item grows no more, each of them is known and given back, and
    the first click is still told of the message."""

    async def story(w: World, ledger: Parts) -> None:
        claimed = await w.one()
        opens = [with_raw(w.event(EventKind.OPENED, claimed, at=w.now + k)) for k in range(MOST + 50)]
        await w.fold(*opens[:MOST])
        size = ledger.size(claimed.id)
        assert await w.fold(*opens[MOST:]) == Folded(50, 0, 0)
        assert ledger.size(claimed.id) == size
        assert await w.fold(*opens) == Folded(0, MOST + 50, 0)
        assert await ledger.events.of(claimed.id) == [one.event for one in opens]
        await w.fold(w.event(EventKind.CLICKED, claimed, at=w.now + MOST + 99))
        assert (await ledger.reads.delivery(claimed.run))["clicked"] == 1

    play(story)


def test_a_provider_id_of_any_length_has_its_place() -> None:
    """A key of DynamoDB has an end; an id that a stranger made may not."""

    async def story(w: World, ledger: Parts) -> None:
        claimed = await w.one()
        id = "p" * 5_000
        await w.fold(w.event(EventKind.DELIVERED, provider_message_id=id, key="k" * 5_000))
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, id)
        assert len(await ledger.events.of(claimed.id)) == 1

    play(story)


def test_a_sibling_whose_word_is_not_yet_there_is_known_by_the_others() -> None:
    """Each of those that share a provider's id names all of them: of several writes at once one may be the first, and
    an event must not go to the only one that is seen."""

    async def story(w: World, ledger: Parts) -> None:
        first, second = await w.claim(*await w.admit("a@example.jp", "b@example.jp"))
        settled = [
            Settlement(id=one.id, fence=one.fence, cause=Cause.PROVIDER_ACCEPTED, provider_id="pair")
            for one in (first, second)
        ]
        await ledger.messages.settle(settled, w.now)
        place = Key(keys.provider_id("pair"), f"m{keys.sortable(second.id)}")
        assert await ledger.table.get(place)
        await ledger.table.delete(place, None, b"")
        theirs = w.event(EventKind.DELIVERED, provider_message_id="pair", recipient="b@example.jp")
        stranger = w.event(EventKind.DELIVERED, provider_message_id="pair", recipient="z@example.jp")
        assert await w.fold(theirs, stranger) == Folded(2, 0, 1)
        assert await ledger.events.of(first.id) == []
        assert await ledger.events.of(second.id) == [theirs.event]

    play(story)
