"""What the link in a mail does, and which mail has one."""

from __future__ import annotations

import asyncio

from workshop import Workshop

from kakitome.core.ids import message_text
from kakitome.core.lifecycle import State
from kakitome.core.unsubscribe import Leaving, Letterhead
from kakitome.ports.records import Suppression
from kakitome.rendering.renderer import TemplateRenderer
from kakitome.rendering.stationery import Stationery
from kakitome.unsubscribe import Exit, come_back, leave, look

HEAD = Letterhead(public="https://mail.example.com", listed=True, given={"sender_name": "Kakitome-sha"})


def club(shop: Workshop, leaving: Leaving = Leaving.STREAM) -> tuple[Stationery, Exit]:
    stationery = Stationery(lambda _: HEAD, shop.ledger.reads.hash_key)
    shop.renderer = TemplateRenderer(shop.ledger.templates, shop.ledger.messages, stationery)
    return stationery, Exit(shop.ledger, stationery.signer, lambda _: leaving, shop.clock)


def test_each_mail_of_a_list_has_its_own_way_out() -> None:
    """Both header fields in what goes over the wire, with a token of this very message."""

    async def play() -> None:
        shop = Workshop()
        stationery, _ = club(shop)
        ids = await shop.mail(2)
        await shop.deliver()
        signer = await stationery.signer()
        for parcel in shop.transport.written:
            link = f"https://mail.example.com/u/{signer.token(parcel.message)}"
            assert ("List-Unsubscribe", f"<{link}>") in parcel.content.headers
            assert f"List-Unsubscribe: <{link}>".encode() in parcel.raw.replace(b"\r\n ", b" ")
            assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in parcel.raw
        assert {parcel.message for parcel in shop.transport.written} == set(ids)

    asyncio.run(play())


def test_who_leaves_in_the_middle_of_a_batch_gets_none_of_it() -> None:
    """The refusal is read before each completing write: what is claimed and not on the wire goes no more."""

    async def play() -> None:
        shop = Workshop()
        stationery, out = club(shop)
        ids = await shop.mail(2)

        async def second(index: int) -> None:
            if index == 1:
                await leave((await stationery.signer()).token(ids[1]), out)
                shop.clock.pass_by(0.9)

        shop.transport.before_turn = second
        await shop.deliver()
        assert [parcel.message for parcel in shop.transport.written] == [ids[0]]
        assert [view.state for view in await shop.ledger.reads.messages(ids)] == [State.SENT, State.SUPPRESSED]

    asyncio.run(play())


def test_coming_back_removes_only_the_readers_own_word() -> None:
    """Somebody else's suppression stays, and bars the way back."""

    async def play() -> None:
        shop = Workshop()
        stationery, out = club(shop)
        [id] = await shop.mail()
        token = (await stationery.signer()).token(id)
        left = await leave(token, out)
        assert left is not None and left.left and not left.barred
        [held] = await shop.ledger.suppressions.find([left.hash])
        assert (held.reason, held.source, held.who) == ("unsubscribe", message_text(id), "recipient")
        by_hand = Suppression(hash=left.hash, address=left.address, reason="manual", who="aya")
        await shop.ledger.suppressions.add([by_hand], shop.clock.now())
        barred = await come_back(token, out)
        assert barred is not None and barred.barred
        assert len(await shop.ledger.suppressions.find([left.hash])) == 2
        await shop.ledger.suppressions.remove(left.hash, "all", "aya", "", shop.clock.now())
        back = await come_back(token, out)
        assert back is not None and not back.left
        assert await shop.ledger.suppressions.find([left.hash]) == []

    asyncio.run(play())


def test_a_single_mail_has_nothing_to_leave() -> None:
    """Its link, where a template writes one, is looked at and does nothing."""

    async def play() -> None:
        shop = Workshop()
        stationery, out = club(shop, Leaving.NONE)
        [id] = await shop.mail()
        token = (await stationery.signer()).token(id)
        found = await look(token, out)
        assert found is not None and found.scope is None
        assert await leave(token, out) is None and await come_back(token, out) is None
        assert await shop.ledger.suppressions.find([found.hash]) == []

    asyncio.run(play())
