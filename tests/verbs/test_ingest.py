"""Events come in: durable first, acknowledged after."""

from __future__ import annotations

import asyncio

import pytest
from workshop import Workshop

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.event import Event, EventKind, Permanence
from kakitome.core.ids import message_text
from kakitome.core.lifecycle import State
from kakitome.core.outcome import Uncertain
from kakitome.ingest import ingest


def event(kind: EventKind, recipient: str | None, **more: object) -> Event:
    values = {"key": f"{kind}-{recipient}", "kind": kind, "at": 1, "provider": "ses", "provider_message_id": "p"}
    return Event(**(values | {"recipient": recipient} | more))  # type: ignore[arg-type]


def test_a_complaint_stops_the_next_mail_in_any_spelling() -> None:
    """The recipient is found by the hash of its canonical form, as the desk makes it."""

    async def run() -> None:
        shop = Workshop()
        ids = await shop.mail()
        await ingest([event(EventKind.COMPLAINED, "Reader-1@EXAMPLE.com")], shop.ledger, shop.clock)
        await shop.deliver()
        assert await shop.states(ids) == [State.SUPPRESSED]

    asyncio.run(run())


def test_a_hard_bounce_stops_and_a_soft_one_does_not() -> None:
    """A full mailbox is not a closed one."""

    async def run() -> None:
        shop = Workshop()
        ids = await shop.mail(2)
        hard = event(EventKind.BOUNCED, "reader-1@example.com", permanence=Permanence.PERMANENT)
        soft = event(EventKind.BOUNCED, "reader-2@example.com", permanence=Permanence.TRANSIENT)
        await ingest([hard, soft], shop.ledger, shop.clock)
        await shop.deliver()
        assert await shop.states(ids) == [State.SUPPRESSED, State.SENT]

    asyncio.run(run())


def test_an_event_of_a_doubtful_attempt_is_proof() -> None:
    """By our own correlation, though no reply ever named the provider's id."""

    async def run() -> None:
        shop = Workshop(answer=lambda _: Uncertain("timeout"))
        [id] = await shop.mail()
        await shop.deliver()
        told = event(EventKind.SENT, "reader-1@example.com", message=message_text(id), attempt="1")
        await ingest([told], shop.ledger, shop.clock)
        assert await shop.states([id]) == [State.SENT]

    asyncio.run(run())


@pytest.mark.parametrize("recipient", [None, "", "not an address", "a@b@c"])
def test_an_event_whose_recipient_is_none_of_ours_is_kept_all_the_same(recipient: str | None) -> None:
    """It is poison for nobody: the others of its batch are taken in."""

    async def run() -> None:
        shop = Workshop()
        ids = await shop.mail()
        strange = event(EventKind.COMPLAINED, recipient)
        good = event(EventKind.COMPLAINED, "reader-1@example.com")
        folded = await ingest([strange, good], shop.ledger, shop.clock)
        assert (folded.fresh, folded.unmatched) == (2, 2)
        await shop.deliver()
        assert await shop.states(ids) == [State.SUPPRESSED]

    asyncio.run(run())


def test_without_the_ledger_nothing_is_acknowledged() -> None:
    """The provider is told to come again, and the second time counts once."""

    async def run() -> None:
        shop = Workshop()
        fold = shop.ledger.events.fold

        async def away(*_: object) -> None:
            raise LedgerUnavailable("The disk is full.")

        shop.ledger.events.fold = away  # type: ignore[method-assign, assignment]
        told = [event(EventKind.COMPLAINED, "reader-1@example.com")]
        with pytest.raises(LedgerUnavailable):
            await ingest(told, shop.ledger, shop.clock)
        shop.ledger.events.fold = fold  # type: ignore[method-assign]
        assert (await ingest(told, shop.ledger, shop.clock)).fresh == 1
        assert (await ingest(told, shop.ledger, shop.clock)).known == 1

    asyncio.run(run())
