"""Far servers: what becomes of a mail whose slot is over before its completing write can begin."""

from __future__ import annotations

import asyncio

import pytest
from workshop import LANE, PACED, SECOND, Workshop, nothing

from kakitome.core.lifecycle import State
from kakitome.core.pacing import spacing_ms
from kakitome.deliver import deliver
from kakitome.ports.accounts import Limits, Pace, Wanted


@pytest.mark.parametrize("pace", [None, Pace("docomo", 1.0)], ids=["no pace", "a pace"])
def test_a_far_server_gets_its_mail_in_a_slot_that_was_asked_for_again(pace: Pace | None) -> None:
    """Over SMTP the way from MAIL to 354 takes longer than a slot waits, each time. Whoever stands there with no slot
    left asks for another, which no pace counts again, instead of beginning anew for ever."""

    async def run() -> None:
        shop = Workshop(lane=PACED)
        [id] = ids = await shop.mail()
        shop.book.messages[id].pace = pace.name if pace else ""

        async def far(_: int) -> None:
            shop.clock.pass_by(0.2)

        shop.transport.before_turn = far
        await deliver(await shop.run(), shop.lane, shop.transport, shop.hands, pace)
        assert (await shop.states(ids), len(await shop.attempts(ids))) == ([State.SENT], 1)

    asyncio.run(run())


def test_a_slot_that_was_asked_for_again_keeps_the_rate() -> None:
    """It is one more of the account's slots: what others were granted meanwhile stands before it."""

    async def run() -> None:
        shop = Workshop(lane=PACED)
        await shop.mail()
        others: list[float] = []

        async def far(_: int) -> None:
            shop.clock.pass_by(0.2)
            wanted = Wanted(account=LANE.account, lane=LANE.name, limits=Limits(10.0), count=3, transactional=True)
            grant, now = await shop.ledger.accounts.slots(wanted, shop.clock.now()), shop.clock
            others.extend(now.monotonic() + (grant.slot(k) - now.now()) / 1000 for k in range(grant.count))

        shop.transport.before_turn = far
        await shop.deliver()
        assert shop.transport.begun_at == pytest.approx([others[-1] + spacing_ms(10.0) / 1000], abs=2e-3)

    asyncio.run(run())


def test_a_far_server_that_was_stopped_is_tried() -> None:
    """The mail that tries it missed its only slot while the connection was opened; it still is the one that tries."""

    async def run() -> None:
        shop = Workshop(lane=PACED)
        ids = await shop.mail()
        await shop.ledger.accounts.stop("lane:ses", "dns", shop.clock.now() + SECOND, "", shop.clock.now())
        shop.clock.pass_by(1)

        async def far(_: int) -> None:
            shop.clock.pass_by(0.2)

        shop.transport.before_turn = far
        await shop.deliver()
        assert await shop.states(ids) == [State.SENT]
        assert await shop.ledger.accounts.stopped(shop.clock.now()) == []

    asyncio.run(run())


def test_a_probe_that_nobody_began_is_the_next_ones() -> None:
    """It was withdrawn, or somebody else claimed it first: the lane need not stay shut for a minute because of that."""

    async def run() -> None:
        shop = Workshop()
        ids = await shop.mail(2)
        await shop.ledger.accounts.stop("lane:ses", "dns", shop.clock.now() + SECOND, "", shop.clock.now())
        shop.clock.pass_by(1)

        async def suppress(_: int) -> None:
            await shop.suppress("reader-1@example.com")
            shop.clock.pass_by(0.6)

        shop.transport.before_turn = suppress
        await shop.deliver()
        shop.transport.before_turn = nothing
        await shop.deliver()
        assert await shop.states(ids) == [State.SUPPRESSED, State.SENT]

    asyncio.run(run())


def test_a_batch_says_how_many_were_not_begun() -> None:
    """They wait again, and whoever does not come back by himself rings for somebody who does."""

    async def run() -> None:
        shop = Workshop(lane=PACED)
        ids = await shop.mail()

        async def forever(_: int) -> None:
            shop.clock.pass_by(600)

        shop.transport.before_turn = forever
        batch = await deliver(await shop.run(), shop.lane, shop.transport, shop.hands)
        assert (batch.claimed, batch.returned) == (1, 1)
        assert await shop.states(ids) == [State.QUEUED]
        shop.transport.before_turn = nothing
        shop.clock.pass_by(1)
        batch = await deliver(await shop.run(), shop.lane, shop.transport, shop.hands)
        assert (batch.claimed, batch.returned) == (1, 0)

    asyncio.run(run())
