"""A quota counts mails, not intentions: what was claimed and not begun costs nothing of it, nor does what the provider
turned away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec
import pytest
from workshop import LANE, PACED, Scripted, Workshop

from kakitome.core.lane import Lane
from kakitome.core.lifecycle import State
from kakitome.core.outcome import Accepted, Deferred, Outcome, Rejected, Unavailability, Unavailable, Uncertain
from kakitome.core.pacing import LATEST_MS
from kakitome.core.policy import Kind, Policy
from kakitome.core.reply import Reply
from kakitome.ports.accounts import Limits, Wanted
from kakitome.ports.transport import Parcel, Wire

BULK = Policy(kind=Kind.BULK)


def limited(lane: Lane, quota: int | None = 10) -> Lane:
    return msgspec.structs.replace(lane, quota=quota)


async def left(shop: Workshop) -> int:
    """How many the quota still takes."""
    accounts, now = shop.ledger.accounts, shop.clock.now()
    wanted = Wanted(account=LANE.account, lane=LANE.name, limits=Limits(None, shop.lane.quota), count=99)
    return (await accounts.slots(wanted, now)).count


def test_a_forfeited_slot_costs_no_quota() -> None:
    """Where the provider is slower than its rate, many slots go by; the day's quota is for the mails that went."""

    async def run() -> None:
        shop = Workshop(BULK, limited(PACED))
        ids = await shop.mail(6)

        async def slow(_: int) -> None:
            shop.clock.pass_by(LATEST_MS / 1000 / 2)

        async def late(_: int) -> None:
            shop.clock.pass_by(LATEST_MS / 1000 * 2)

        shop.transport.before_begin = late
        await shop.deliver()
        assert shop.transport.written == []
        shop.transport.before_begin = slow
        shop.clock.pass_by(2)
        await shop.deliver()
        assert await shop.states(ids) == [State.SENT] * 6
        assert await left(shop) == 4

    asyncio.run(run())


def test_what_is_withdrawn_costs_no_quota() -> None:
    """Suppressed between the claim and the write."""

    async def run() -> None:
        shop = Workshop(BULK, limited(LANE))
        await shop.mail(3)

        async def suppress(index: int) -> None:
            if index == 0:
                await shop.suppress("reader-3@example.com")
                shop.clock.pass_by(0.6)

        shop.transport.before_turn = suppress
        await shop.deliver()
        assert len(shop.transport.written) == 2
        assert await left(shop) == 8

    asyncio.run(run())


COUNTED: list[Outcome] = [
    Accepted("0100"),
    Deferred(Reply(code=451, text="later")),
    Rejected(Reply(code=550, text="no such reader")),
    Uncertain("timeout"),
]


@pytest.mark.parametrize("outcome", COUNTED, ids=lambda outcome: type(outcome).__name__)
def test_what_was_begun_is_counted(outcome: Outcome) -> None:
    """Whatever came of it: too little sent is a smaller harm than a refusal by the provider."""

    async def run() -> None:
        shop = Workshop(BULK, limited(LANE), answer=lambda _: outcome)
        await shop.mail(3)
        await shop.deliver()
        assert await left(shop) == 7

    asyncio.run(run())


@pytest.mark.parametrize("reason", Unavailability)
def test_what_the_provider_turned_away_costs_no_quota(reason: Unavailability) -> None:
    """A whole request that came too fast, or to an account that is switched off: of ten, the two that it took count."""

    class Together(Scripted):
        """All in one request, as SES takes a list."""

        async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
            for index in range(len(parcels)):
                assert await wire.ready(index) and await wire.turn(index) and wire.begin(index)
            for index, parcel in enumerate(parcels):
                yield index, self.answer(parcel) if index < 2 else Unavailable(reason)

    async def run() -> None:
        shop = Workshop(BULK, limited(LANE))
        shop.transport = Together(shop)
        ids = await shop.mail(6)
        assert (await shop.deliver()).claimed == 6
        assert sorted(await shop.states(ids)) == [State.QUEUED] * 4 + [State.SENT] * 2
        for gate in await shop.ledger.accounts.stopped(shop.clock.now()):
            await shop.ledger.accounts.resume(gate.gate, "aya", shop.clock.now())
        assert await left(shop) == 8

    asyncio.run(run())


def test_an_endpoint_that_is_away_for_a_day_uses_up_nothing() -> None:
    """Each trial takes slots, claims, and gives both back."""

    class Away(Scripted):
        async def _one(self, index: int, *_: object) -> Unavailable:
            return Unavailable(Unavailability.REFUSED_CONNECTION)

    async def run() -> None:
        shop = Workshop(BULK, limited(LANE))
        shop.transport = Away(shop)
        await shop.mail(3)
        for claimed in (3, *[1] * 8):  # behind the first stop one mail tries for all
            assert (await shop.deliver()).claimed == claimed
            shop.clock.pass_by(7200)
        assert await shop.ledger.accounts.resume("lane:ses", "aya", shop.clock.now())
        assert await left(shop) == 10

    asyncio.run(run())


def test_what_went_by_before_the_quota_was_known_costs_none_of_it() -> None:
    """A worker whose first look at the provider takes long goes by a rate alone, and its slots are counted."""

    async def run() -> None:
        shop = Workshop(BULK, limited(PACED, None))
        await shop.mail(3)

        async def late(_: int) -> None:
            shop.clock.pass_by(LATEST_MS / 1000 * 2)

        shop.transport.before_begin = late
        await shop.deliver()
        assert shop.transport.written == []
        shop.lane = limited(PACED)
        assert await left(shop) == 10

    asyncio.run(run())


def test_a_lane_without_limits_writes_nothing_back() -> None:
    """There is nothing to share, so there is nothing to write."""

    async def run() -> None:
        shop = Workshop(BULK, limited(LANE, None))
        await shop.mail(3)

        async def fails(account: str, count: int, granted: int) -> None:
            raise AssertionError("asked")

        async def suppress(index: int) -> None:
            if index == 0:
                await shop.suppress("reader-3@example.com")
                shop.clock.pass_by(0.6)

        shop.ledger.accounts.give_back = fails  # type: ignore[method-assign]
        shop.transport.before_turn = suppress
        await shop.deliver()
        assert len(shop.transport.written) == 2

    asyncio.run(run())
