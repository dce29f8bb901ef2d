"""Figures for people: what an account allows, what was sent and what became of it, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from kakitome.allowance import Followed, allowed
from kakitome.core.cost import Price, cost
from kakitome.core.errors import NotFound
from kakitome.core.lane import Lane
from kakitome.core.message import Run
from kakitome.core.pacing import quota_left
from kakitome.core.statistics import Point, Series, Totals, failures, series
from kakitome.ports.figures import TIMELY, PointsSource, PointsUnread, Timely
from kakitome.ports.ledger import Ledger
from kakitome.ports.limits import AccountLimits, LimitsUnread

DAY = 24 * 3600 * 1000


# ── Quota ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an account may send. `ours` is what our ledger saw accepted in the last 24 hours, `theirs` the provider's
    count of everybody's mail; the larger one is `sent`, as for the pace of sending. `remaining` is never below 0.
    What the provider does not say is None; `unread` is why it was not asked or did not answer."""

    account: str
    lanes: tuple[str, ...]
    maximum: int | None
    rate: float | None
    ours: int
    theirs: int | None = None
    sent: int
    remaining: int | None
    sandbox: bool | None = None
    sending_enabled: bool | None = None
    read_at: int | None = None
    configured: tuple[str, ...] = ()
    unread: str = ""


async def quotas(ledger: Ledger, lanes: Iterable[Lane], followed: Mapping[str, Followed], now: int) -> list[Quota]:
    """By account; asks each provider that can be asked, once."""
    by_account: dict[str, list[Lane]] = {}
    for lane in lanes:
        by_account.setdefault(lane.account, []).append(lane)
    accepted = await ledger.figures.timely(now - DAY, now + 1)
    found = []
    for account, its in sorted(by_account.items()):
        ours = sum(one.n for one in accepted if one.name == "accepted" and one.lane in {lane.name for lane in its})
        found.append(await _quota(account, its, followed.get(account), ours))
    return found


async def _quota(account: str, lanes: Sequence[Lane], asked: Followed | None, ours: int) -> Quota:
    known: AccountLimits | None = None
    unread = (
        ""
        if asked
        else f"Nobody is asked: the provider of {lanes[0].name} tells no limits, or they are set in the configuration."
    )
    if asked is not None:
        try:
            known = await asked.source.read()
        except LimitsUnread as error:
            unread = str(error)
    lane = allowed(lanes[0], asked, known) if asked is not None and known is not None else lanes[0]
    theirs = known.used if known else None
    set_here = {name for name in ("rate", "quota") if asked is None or not getattr(asked, name)}
    return Quota(
        account=account,
        lanes=tuple(lane.name for lane in lanes),
        maximum=lane.quota,
        rate=lane.rate,
        ours=ours,
        theirs=theirs,
        sent=max(ours, theirs or 0),
        remaining=quota_left(lane.quota, ours, theirs),
        sandbox=known.sandbox if known else None,
        sending_enabled=known.sending_enabled if known else None,
        read_at=known.read_at if known else None,
        configured=tuple(
            name for name in ("rate", "quota") if name in set_here and getattr(lanes[0], name) is not None
        ),
        unread=unread,
    )


# ── The provider's points, and ours beside them ─────────────────────────────────────────────────────────────────────


class AccountSeries(msgspec.Struct, frozen=True, kw_only=True):
    """An account's quarters of an hour: the provider's, and our own for the same time. `unread`: why there are none of
    the provider's."""

    account: str
    theirs: Series
    ours: tuple[Point, ...]
    unread: str = ""


async def account_series(
    ledger: Ledger, account: str, lanes: Sequence[Lane], source: PointsSource | None, since: int, now: int
) -> AccountSeries:
    points: list[Point] = []
    unread = "" if source else "Only SES tells its statistics."
    if source is not None:
        try:
            points = await source.read()
        except PointsUnread as error:
            unread = str(error)
    names = {lane.name for lane in lanes if lane.account == account}
    timely = [one for one in await ledger.figures.timely(since, now + 1) if one.lane in names]
    return AccountSeries(account=account, theirs=series(points, since), ours=our_points(timely), unread=unread)


def our_points(timely: Iterable[Timely]) -> tuple[Point, ...]:
    """Our figures as the provider puts them; all bounces, passing ones too, as in SES's points."""
    found: dict[int, dict[str, int]] = {}
    for one in timely:
        of_time = found.setdefault(one.at, {})
        of_time[one.name] = of_time.get(one.name, 0) + one.n
    names = ("accepted", "bounced", "complained", "rejected")
    points = (Point(at, *(numbers.get(name, 0) for name in names)) for at, numbers in sorted(found.items()))
    return tuple(point for point in points if point != Point(point.at))


# ── Rates ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Messages: `sent` is what bounces, complaints and deliveries are a share of, `delivered` what opens and clicks
    are; `failed` of how many is `core.statistics.failures`. By recipient domain nobody counts what was sent; there the
    whole is what the provider has told anything of."""

    sent: int
    totals: Totals
    failed: tuple[int, int]


async def rates(ledger: Ledger, runs: Sequence[Run]) -> Rates:
    rows: Counter[str] = Counter()
    for run in runs:
        rows.update(await ledger.reads.rows(run.id))
    totals = await ledger.figures.totals([run.id for run in runs])
    return Rates(sent=rows["sent"], totals=totals, failed=failures(rows))


async def recent(ledger: Ledger, runs: Sequence[Run], since: int, now: int) -> dict[str, int]:
    """What is counted by the quarter of an hour (`ports.figures.TIMELY`), since then."""
    counted = dict.fromkeys(TIMELY, 0)
    for one in await ledger.figures.timely(since, now + 1, [run.id for run in runs]):
        counted[one.name] += one.n
    return counted


async def runs_of(ledger: Ledger, stream: str | None = None) -> list[Run]:
    """All runs, or the stream's and its campaigns'. Raises `NotFound` for a stream through which nothing went yet."""
    runs = [run for run in await ledger.runs.list() if stream in (None, run.stream)]
    if stream is not None and not runs:
        known = ", ".join(sorted({run.stream for run in await ledger.runs.list()})) or "none"
        raise NotFound(f"Nothing has gone through a stream {stream!r} yet.", f"Streams with mail: {known}.")
    return runs


# ── Cost ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class LaneCost(msgspec.Struct, frozen=True):
    """`amount` in `currency`; None with `why_not` where no price is known."""

    lane: str
    account: str
    recipients: int
    amount: Fraction | None
    currency: str
    why_not: str = ""


def lane_costs(
    recipients: Mapping[str, int], accounts: Mapping[str, str], prices: Mapping[str, Price]
) -> list[LaneCost]:
    """By lane: what so many recipients cost. `accounts` is the account of each lane, `prices` the price of accounts."""
    found = []
    for lane, n in sorted(recipients.items()):
        account = accounts.get(lane, "")
        price = prices.get(account)
        if price is not None:
            found.append(LaneCost(lane, account, n, cost(n, price), price.currency))
        elif lane not in accounts:
            found.append(LaneCost(lane, "", n, None, "", f"There is no lane {lane!r} in the configuration any more."))
        else:
            found.append(LaneCost(lane, account, n, None, "", f"[accounts.{account}] has no price."))
    return found


def accepted_by_lane(timely: Iterable[Timely]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in timely:
        if one.name == "accepted":
            found[one.lane] = found.get(one.lane, 0) + one.n
    return found
