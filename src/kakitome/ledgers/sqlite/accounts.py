"""Slots, quotas and paces. What is stopped is in `gates.py`."""

from __future__ import annotations

import msgspec

from kakitome.core import breaker
from kakitome.core.pacing import (
    AHEAD,
    AHEAD_OF_LISTS,
    ASKS_LAST,
    FASTEST,
    QUOTA_BUCKET,
    QUOTA_BUCKETS,
    Grant,
    Paced,
    grant,
    lists_quota,
    quota_left,
    room,
    spend,
)
from kakitome.ledgers.sqlite import gates, parking
from kakitome.ledgers.sqlite.connection import Db, one
from kakitome.ports.accounts import Wanted

_ACCOUNT = "select next_slot, grouped, asked, factor, slowed from account where id = ?"


class _Account(msgspec.Struct, frozen=True, array_like=True):
    next_slot: float = 0.0
    grouped: int = 1
    asked: int = 0
    factor: float = 1.0
    slowed: int = 0


class _Pace(msgspec.Struct, frozen=True):
    """One more thing that is paced. `rate` in mails a second, `spent` as in `core.pacing.room`."""

    id: str
    reason: str
    rate: float
    spent: float


def unlimited(db: Db, wanted: Wanted, now: int) -> Grant | None:
    """What can be answered without a write: a refusal, or that nothing is limited here. None: ask `slots`."""
    half_open = gates.half_open(db, wanted, now)
    if (refusal := gates.refusal(db, wanted, half_open, now)) is not None:
        return refusal
    if (
        half_open
        or wanted.pace is not None
        or wanted.instead is not None
        or (wanted.limits.rate, wanted.limits.quota) != (None, None)
    ):
        return None
    if _rate(wanted, _account(db, wanted.account), now) is not None or _paces(db, wanted, None, now):
        return None
    if parking.is_parked(db, wanted):  # by a quota that it had until now
        return None
    return grant(wanted.count, None, Paced(), now, wanted.group)[0]


def slots(db: Db, wanted: Wanted, now: int) -> Grant:
    half_open = gates.half_open(db, wanted, now)
    if (refusal := gates.refusal(db, wanted, half_open, now)) is not None:
        return refusal
    if wanted.instead is not None:
        own = _account(db, wanted.account)
        return _grant(db, own, wanted, _rate(wanted, own, now), wanted.count, now)
    left = _quota_left(db, wanted, now)
    if left is not None and left <= 0:
        until = _frees(db, wanted.account, now)
        parking.park(db, wanted, until, now)
        return Grant(0, until=until, reason="quota")
    own = _account(db, wanted.account)
    rate = _rate(wanted, own, now)
    paces = _paces(db, wanted, rate, now, is_probe=bool(half_open))
    count = 1 if half_open else wanted.count
    for pace in paces:
        fits, until = room(pace.rate, pace.spent, now)
        if fits <= 0:
            _spend(db, [pace], 0, now)
            return Grant(0, until=until, reason=pace.reason)
        count = min(count, fits)
    granted = _grant(db, own, wanted, rate, count if left is None else min(count, left), now)
    if granted.count:
        _spend(db, paces, granted.count, now)
        if left is None or granted.count < left:
            parking.lift(db, wanted, now)
        if half_open:
            gates.probe(db, half_open, now + wanted.probe_ms)
            return msgspec.structs.replace(granted, probe=True)
    return granted


def _account(db: Db, account: str) -> _Account:
    row = db.execute(_ACCOUNT, (account,)).fetchone()
    return _Account() if row is None else _Account(*row)


def _rate(wanted: Wanted, own: _Account, now: int) -> float | None:
    return breaker.slowed(wanted.limits.rate, breaker.recovered(own.factor, own.slowed, now))


def _paces(db: Db, wanted: Wanted, rate: float | None, now: int, is_probe: bool = False) -> list[_Pace]:
    """What else is paced: the recipients' domains, a lane that has only just come back."""
    paces = []
    if wanted.pace is not None:
        id = f"pace:{wanted.pace.name}"
        paces.append(_Pace(id, "pace", wanted.pace.rate, one(db, "select spent from pace where id = ?", id) or 0.0))
    lane = f"lane:{wanted.lane}"
    row = None if is_probe else db.execute("select since, spent from pace where id = ?", (lane,)).fetchone()
    if row is not None and (share := breaker.returned(row[0], now)) < 1.0:
        paces.append(_Pace(lane, "returning", share * min(rate or FASTEST, FASTEST), row[1]))
    return paces


def _spend(db: Db, paces: list[_Pace], count: int, now: int) -> None:
    for pace in paces:
        db.execute(
            "insert into pace (id, since, spent) values (?1, 0, ?2)"
            " on conflict (id) do update set spent = ?2 where spent <> ?2",
            (pace.id, spend(pace.rate, pace.spent, now, count)),
        )


def _grant(db: Db, own: _Account, wanted: Wanted, rate: float | None, count: int, now: int) -> Grant:
    waits = not wanted.transactional and abs(now - own.asked) < ASKS_LAST
    ahead = AHEAD_OF_LISTS if waits else AHEAD
    granted, paced = grant(count, rate, Paced(own.next_slot, own.grouped), now, wanted.group, ahead, wanted.lead)
    asked = now if wanted.transactional and rate is not None else own.asked
    if (paced.next_slot, paced.group, asked) != (own.next_slot, own.grouped, own.asked):
        db.execute(
            "insert into account (id, next_slot, grouped, asked) values (?1, ?2, ?3, ?4)"
            " on conflict (id) do update set next_slot = ?2, grouped = ?3, asked = ?4",
            (wanted.account, paced.next_slot, paced.group, asked),
        )
    limited = wanted.instead is None and (wanted.limits.rate, wanted.limits.quota) != (None, None)
    if granted.count and limited:
        _use(db, wanted.account, granted.count, now // QUOTA_BUCKET)
    return granted


def _use(db: Db, account: str, count: int, bucket: int) -> None:
    db.execute(
        "insert into quota values (?, ?, ?) on conflict (account, bucket) do update set n = n + excluded.n",
        (account, bucket, count),
    )
    # A day more than is counted: a clock that went forward may come back.
    db.execute("delete from quota where account = ? and bucket < ?", (account, bucket - 2 * QUOTA_BUCKETS))


def give_back(db: Db, account: str, count: int, granted: int) -> None:
    db.execute(
        "update quota set n = max(0, n - ?) where account = ? and bucket = ?",
        (count, account, granted // QUOTA_BUCKET),
    )


def _quota_left(db: Db, wanted: Wanted, now: int) -> int | None:
    """The bucket of 24 hours ago still counts: what was sent in its last moment is not a day old yet."""
    account, quota = wanted.account, wanted.limits.quota
    if quota is None:
        return None
    used = (
        one(
            db,
            "select sum(n) from quota where account = ? and bucket >= ?",
            account,
            now // QUOTA_BUCKET - QUOTA_BUCKETS,
        )
        or 0
    )
    reported = one(db, "select reported from account where id = ? and reported_at > ?", account, now - QUOTA_BUCKET)
    mine = quota if wanted.transactional else lists_quota(quota, wanted.limits.reserve)
    return quota_left(mine, used, reported)


def _frees(db: Db, account: str, now: int) -> int:
    """When the oldest quarter of an hour leaves the window."""
    oldest = one(
        db,
        "select min(bucket) from quota where account = ? and bucket >= ? and n > 0",
        account,
        now // QUOTA_BUCKET - QUOTA_BUCKETS,
    )
    return now + QUOTA_BUCKET if oldest is None else int((oldest + QUOTA_BUCKETS + 1) * QUOTA_BUCKET)


def report(db: Db, account: str, used: int, now: int) -> None:
    db.execute(
        "insert into account (id, reported, reported_at) values (?1, ?2, ?3)"
        " on conflict (id) do update set reported = ?2, reported_at = ?3",
        (account, used, now),
    )
