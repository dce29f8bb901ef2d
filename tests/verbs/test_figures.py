"""What accounts may send, what the provider says beside what we know, and what it costs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from fractions import Fraction

import pytest

from kakitome.allowance import Followed
from kakitome.core.cost import Price
from kakitome.core.errors import NotFound
from kakitome.core.event import EventKind
from kakitome.core.lane import Lane
from kakitome.core.lifecycle import Cause
from kakitome.core.statistics import QUARTER, Point, Totals
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.figures import PointsUnread
from kakitome.ports.limits import AccountLimits, LimitsUnread
from kakitome.statistics import (
    Quota,
    accepted_by_lane,
    account_series,
    lane_costs,
    quotas,
    rates,
    recent,
    runs_of,
)
from kakitome.testing.ledger_world import DAY, START, World

SES, SMTP = Lane(name="ses", account="tokyo"), Lane(name="post", account="post", rate=5.0, quota=100)


class Saying:
    """A provider that says this of its limits and its points."""

    def __init__(self, limits: AccountLimits | None = None, points: list[Point] | None = None) -> None:
        self._limits = limits
        self._points = points

    async def read(self) -> AccountLimits:
        if self._limits is None:
            raise LimitsUnread("Nobody answers.", "Wait.")
        return self._limits


class Telling:
    def __init__(self, points: list[Point] | None) -> None:
        self._points = points

    async def read(self) -> list[Point]:
        if self._points is None:
            raise PointsUnread("Nobody answers.", "Wait.")
        return self._points


def limits(used: int | None = None, quota: int | None = 200, rate: float | None = 14.0) -> AccountLimits:
    return AccountLimits(rate=rate, quota=quota, used=used, sandbox=True, read_at=START)


async def world(*sent: str) -> World:
    """A ledger that saw so many mails accepted, by these lanes."""
    w = World(MemoryLedger())
    for lane in sent:
        [id] = await w.admit()
        [claimed] = await w.claim(id, lane=lane)
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{id}")
    return w


def quota(followed: Followed | None, *sent: str) -> Quota:
    async def asked() -> Quota:
        w = await world(*sent)
        [found] = await quotas(w.ledger, [SES], {"tokyo": followed} if followed else {}, w.now)
        return found

    return asyncio.run(asked())


def test_431_of_200_leave_nothing() -> None:
    """S4's figures: more sent than the maximum is no crash and no number below 0."""
    found = quota(Followed(source=Saying(limits(used=431))), "ses")
    assert (found.maximum, found.sent, found.ours, found.theirs, found.remaining) == (200, 431, 1, 431, 0)
    assert (found.rate, found.sandbox, found.sending_enabled, found.read_at) == (14.0, True, True, START)


def test_the_larger_of_both_counts_is_believed() -> None:
    """Ours where the provider lags behind; other lanes' mail is not this account's."""
    found = quota(Followed(source=Saying(limits(used=1))), "ses", "ses", "ses", "post")
    assert (found.ours, found.theirs, found.sent, found.remaining) == (3, 1, 3, 197)


def test_who_cannot_be_asked_says_so() -> None:
    """And nothing is invented: neither a sandbox nor a maximum nor a time."""
    silent, nobody = quota(Followed(source=Saying())), quota(None)
    assert silent.unread.startswith("Nobody answers.")
    assert "Nobody is asked" in nobody.unread
    for found in (silent, nobody):
        assert (found.maximum, found.remaining, found.sandbox, found.read_at) == (None, None, None, None)


def test_configured_figures_are_called_so() -> None:
    """A number of the configuration wins over the provider's, and is marked."""

    async def asked() -> list[Quota]:
        w = await world("post")
        return await quotas(w.ledger, [SMTP], {"post": Followed(source=Saying(limits()), rate=False)}, w.now)

    [found] = asyncio.run(asked())
    assert (found.rate, found.maximum, found.configured) == (5.0, 200, ("rate",))


def test_an_unlimited_account_has_no_remainder() -> None:
    """-1 at SES."""
    assert quota(Followed(source=Saying(limits(used=3, quota=None)))).remaining is None


def test_points_stand_sorted_beside_ours() -> None:
    """The provider's in its own order come by time; ours are of the account's lanes, for the same time."""

    async def compared() -> None:
        w = await world("ses", "post")
        at = START // QUARTER * QUARTER
        told = [Point(at, 2), Point(at - QUARTER, 1, 1), Point(at - 3 * DAY, 9)]
        found = await account_series(w.ledger, "tokyo", [SES, SMTP], Telling(told), at - DAY, w.now)
        assert found.theirs.points == (Point(at - QUARTER, 1, 1), Point(at, 2))
        assert (found.ours, found.unread) == ((Point(at, 1),), "")
        silent = await account_series(w.ledger, "tokyo", [SES, SMTP], Telling(None), at - DAY, w.now)
        assert (silent.theirs.points, silent.ours, silent.unread[:15]) == ((), (Point(at, 1),), "Nobody answers.")
        other = await account_series(w.ledger, "post", [SES, SMTP], None, at - DAY, w.now)
        assert (other.unread, len(other.ours)) == ("Only SES tells its statistics.", 1)

    asyncio.run(compared())


def test_rates_are_of_all_runs_that_are_asked_for() -> None:
    """A stream and its campaigns together; one that nothing went through is an error that names the others."""

    async def rated() -> None:
        w = await world()
        one, two = await w.one(), await w.one(run=await w.stream("other"))
        for claimed in (one, two):
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{claimed.id}")
        await w.fold(w.event(EventKind.COMPLAINED, one, complaint="abuse"), w.event(EventKind.DELIVERED, two))
        booking = await rates(w.ledger, await runs_of(w.ledger, "booking"))
        assert (booking.sent, booking.totals, booking.failed) == (1, Totals(heard=1, delivered=1, complained=1), (0, 1))
        assert (await rates(w.ledger, await runs_of(w.ledger))).sent == 2
        told = await recent(w.ledger, await runs_of(w.ledger, "booking"), w.now - DAY, w.now)
        assert {name: n for name, n in told.items() if n} == {"accepted": 1, "complained": 1}
        with pytest.raises(NotFound, match="Nothing has gone through a stream 'news'"):
            await runs_of(w.ledger, "news")

    asyncio.run(rated())


def test_costs_are_by_lane_and_unknown_ones_say_why() -> None:
    """Only what a reply accepted costs; no price, and a lane that is gone, are unknown and not free."""

    async def counted() -> dict[str, int]:
        w = await world("ses", "ses", "post", "old")
        await w.one()
        return accepted_by_lane(await w.ledger.figures.timely(0, w.now + 1))

    recipients = asyncio.run(counted())
    assert recipients == {"ses": 2, "post": 1, "old": 1}
    costs = lane_costs(recipients, {"ses": "tokyo", "post": "post"}, {"tokyo": Price(Decimal("0.10"))})
    assert [(one.lane, one.amount, one.currency) for one in costs] == [
        ("old", None, ""),
        ("post", None, ""),
        ("ses", Fraction(2, 10_000), "USD"),
    ]
    assert "no lane 'old'" in costs[0].why_not and costs[1].why_not == "[accounts.post] has no price."
