"""One mail that a lane refuses each time is no reason to stop everybody's."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

import pytest
from test_campaign import House
from test_worker import Shift
from workshop import MINUTE, Workshop, yes

from kakitome.blame import DOUBTFUL, LONGEST, MOST, Blame
from kakitome.campaign import Office, take_in
from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import State
from kakitome.core.outcome import Accepted, Outcome, Unavailability, Unavailable
from kakitome.deliver import deliver
from kakitome.ports.transport import Parcel

POISON = MessageId(7)


def refused(blame: Blame, message: int = 7, sender: str = "a@example.com", now: float = 0.0, **more: object) -> bool:
    outcome = Unavailable(Unavailability(str(more.get("reason", "refused_connection"))))
    return blame.is_its_own("ses", MessageId(message), sender, outcome, bool(more.get("probing")), now)


def taken(blame: Blame, message: int = 1, sender: str = "a@example.com") -> None:
    assert not blame.is_its_own("ses", MessageId(message), sender, Accepted("p"), False, 0.0)


def test_the_same_mail_twice_with_another_between() -> None:
    """The lane was well between both: it is the mail. Without one between, or for a first time, it is the lane."""
    blame = Blame()
    assert not refused(blame)
    assert not refused(blame)
    taken(blame)
    assert not refused(blame, message=8)
    assert refused(blame)
    assert list(blame.kept_off("ses", 0.0)) == [POISON]
    assert blame.kept_off("other", 0.0) == {}


def test_a_sender_beside_whom_others_go_is_known_at_once() -> None:
    """An unverified sender of one tenant costs the others nothing; where it is the only one, the lane is stopped."""
    blame = Blame()
    taken(blame, sender="bad@example.com")
    assert not refused(blame, sender="bad@example.com", reason="identity")
    taken(blame, message=2, sender="good@example.com")
    assert refused(blame, message=3, sender="bad@example.com", reason="identity")


def test_who_tries_a_stopped_lane_is_not_judged() -> None:
    """Else a lane that is ill for all would be opened by a mail that did not go."""
    blame = Blame()
    assert not refused(blame)
    taken(blame)
    assert not refused(blame, probing=True)


@pytest.mark.parametrize("reason", sorted(set(Unavailability) - DOUBTFUL))
def test_some_reasons_are_never_one_mails(reason: Unavailability) -> None:
    """Throttled, used up, suspended: whoever asks hears the same."""
    blame = Blame()
    for _ in range(2):
        assert not refused(blame, reason=reason)
        taken(blame)


def test_it_waits_longer_each_time_and_is_forgotten_when_it_goes() -> None:
    """Five seconds, ten, twenty, an hour; a sender ten minutes at first. And what is remembered has a bound."""
    blame, now, waits = Blame(), 0.0, []
    refused(blame)
    for _ in range(12):
        taken(blame)
        assert refused(blame, now=now)
        waits.append(blame.kept_off("ses", now)[POISON] - now)
        now += waits[-1]
        assert blame.kept_off("ses", now) == {}
    assert (waits[:3], waits[-2:]) == ([5.0, 10.0, 20.0], [LONGEST, LONGEST])
    taken(blame, message=POISON)
    assert not refused(blame)
    taken(blame, sender="good@example.com")
    for message in range(100, 100 + MOST + 9):
        refused(blame, message=message, sender="bad@example.com", reason="identity")
    assert len(blame.kept_off("ses", 0.0)) == MOST


def unverified(parcel: Parcel) -> Outcome:
    bad = parcel.content.sender.address.startswith("bad")
    return Unavailable(Unavailability.IDENTITY) if bad else yes(parcel)


def test_a_tenants_unverified_sender_stops_nobody_else() -> None:
    """It is tried, refused, and waits alone with no attempt counted; mail of the others goes on in the same minute,
    also where it is more than one look takes."""

    async def run() -> None:
        shop = Workshop(answer=unverified)
        await shop.mail()
        await shop.deliver()
        bad = await shop.mail(3, sender="bad@example.com")
        for _ in range(4):
            await shop.deliver()
        good = await shop.mail(300)
        for _ in range(2):
            await shop.deliver()
        assert await shop.states(good) == [State.SENT] * 300
        assert await shop.states(bad) == [State.QUEUED] * 3
        assert [view.attempts for view in await shop.views(bad)] == [0] * 3
        assert len(shop.transport.written) == 1 + 3 + 300
        assert await shop.ledger.accounts.stopped(shop.clock.now()) == []
        batch = await shop.deliver()
        assert (batch.claimed, batch.reason) == (0, "refused")
        assert batch.until > shop.clock.now() + 9 * MINUTE
        shop.clock.pass_by(10 * 60)
        assert (await shop.deliver()).claimed == 3

    asyncio.run(run())


def test_a_list_whose_sender_is_not_known_asks_once(tmp_path: Path) -> None:
    """Not for each of its mails, and not again and again as long as they wait: a list has one sender. One asks again
    after ten minutes, twenty, forty; and when the sender is known, the list goes."""

    async def run() -> None:
        shop, house, asked = Workshop(), House(tmp_path), list[int]()
        await shop.mail(sender="good@example.com")
        await shop.deliver()
        shop.numbers = defaultdict(int, shop.numbers)
        house.ledger, house.office = shop.ledger, Office(shop.ledger, shop.renderer, shop.clock)
        opened = await house.open()
        await take_in(house.list(*(f"reader-{k}@example.com,R" for k in range(600))), opened, 0, house.office)
        campaign = await shop.ledger.runs.move(opened.id, "running", "aya", shop.clock.now())
        shop.transport.answer = lambda _: Unavailable(Unavailability.IDENTITY)
        for _ in range(90):
            batch = await deliver(campaign, shop.lane, shop.transport, shop.hands)
            asked.append(len(shop.transport.written) - 1)
            assert batch.claimed or (batch.reason, batch.until > shop.clock.now()) == ("refused", True)
            shop.clock.pass_by(60)
        assert [asked.index(n) for n in range(1, 5)] == [0, 10, 30, 70]
        assert await shop.ledger.accounts.stopped(shop.clock.now()) == []
        shop.transport.answer = yes
        shop.clock.pass_by(60 * 60)
        while (await deliver(campaign, shop.lane, shop.transport, shop.hands)).claimed:
            pass
        rows = await shop.ledger.reads.rows(campaign.id)
        assert (rows["sent"], rows["queued"]) == (600, 0)

    asyncio.run(run())


def test_what_one_lane_refuses_goes_through_the_next_of_its_route() -> None:
    """The sender may be known there."""

    async def run() -> None:
        async with asyncio.timeout(10):
            s = Shift()
            s.worker._hands.blame.is_its_own("first", POISON, "b@example.com", Accepted("p"), False, 0.0)
            [id] = await s.hand_in("booking", "x@example.com")
            refusal = Unavailable(Unavailability.IDENTITY)
            assert s.worker._hands.blame.is_its_own("first", id, "a@example.com", refusal, False, s.clock.monotonic())
            async with s.working():
                await s.post.until("x@example.com")
            assert s.post.written == [("second", "x@example.com")]

    asyncio.run(run())


def test_one_streams_poison_does_not_try_a_lane_for_ever() -> None:
    """Two streams, one lane that is half open: each has its turn to try."""

    async def run() -> None:
        async with asyncio.timeout(10):
            s = Shift(route=["first"])
            await s.hand_in("booking", "a@example.com")
            await s.hand_in("otp", "b@example.com")
            runs = await s.ledger.runnable.runnable(s.clock.now())
            firsts = {s.worker._in_turn(runs)[0].stream for _ in range(100)}
            assert firsts == {"booking", "otp"}
            assert {run.stream for run in s.worker._in_turn(runs)} == firsts
            assert s.worker._in_turn([]) == []

    asyncio.run(run())
