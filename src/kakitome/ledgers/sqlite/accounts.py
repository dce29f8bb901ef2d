"""Slots, quotas and stopped gates."""

from __future__ import annotations

from kakitome.core.pacing import QUOTA_BUCKET, QUOTA_BUCKETS, Grant, grant, quota_left, spacing_ms
from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db, one
from kakitome.ports.accounts import GateState, Limits, Wanted


def closed(db: Db, account: str, lane: str, now: int) -> Grant | None:
    """The refusal of a stopped gate, None where both are open."""
    row = db.execute(
        "select reason, until from gate where id in (?, ?) and (until is null or until > ?)"
        " order by until is not null, until desc limit 1",
        (f"account:{account}", f"lane:{lane}", now),
    ).fetchone()
    return None if row is None else Grant(0, until=row[1] or now + 60_000, reason=row[0])


def slots(db: Db, wanted: Wanted, now: int) -> Grant:
    account, limits = wanted.account, wanted.limits
    if (refused := closed(db, account, wanted.lane, now)) is not None:
        return refused
    left = _quota_left(db, account, limits, now)
    if left is not None and left <= 0:
        return Grant(0, until=_frees(db, account, now), reason="quota")
    next_slot = one(db, "select next_slot from account where id = ?", account) or 0.0
    if limits.rate is not None:
        # Nothing was ever granted further ahead than this, unless the clock went back since: then what was granted
        # still has at most a second to go, and that much is waited.
        next_slot = min(next_slot, now + 1000 + spacing_ms(limits.rate))
    granted, next_slot = grant(wanted.count if left is None else min(wanted.count, left), limits.rate, next_slot, now)
    if limits.rate is not None or limits.quota is not None:
        _write(db, account, next_slot, granted.count, now)
    return granted


def _write(db: Db, account: str, next_slot: float, count: int, now: int) -> None:
    db.execute(
        "insert into account (id, next_slot) values (?, ?)"
        " on conflict (id) do update set next_slot = excluded.next_slot where next_slot <> excluded.next_slot",
        (account, next_slot),
    )
    if count:
        db.execute(
            "insert into quota values (?, ?, ?) on conflict (account, bucket) do update set n = n + excluded.n",
            (account, now // QUOTA_BUCKET, count),
        )


def give_back(db: Db, account: str, count: int, granted: int) -> None:
    db.execute(
        "update quota set n = max(0, n - ?) where account = ? and bucket = ?",
        (count, account, granted // QUOTA_BUCKET),
    )


def _quota_left(db: Db, account: str, limits: Limits, now: int) -> int | None:
    """The bucket of 24 hours ago still counts: what was sent in its last moment is not a day old yet."""
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
    return quota_left(limits.quota, used, reported)


def _frees(db: Db, account: str, now: int) -> int:
    """When the oldest quarter of an hour leaves the window."""
    oldest = one(
        db,
        "select min(bucket) from quota where account = ? and bucket >= ? and n > 0",
        account,
        now // QUOTA_BUCKET - QUOTA_BUCKETS,
    )
    return now + QUOTA_BUCKET if oldest is None else int((oldest + QUOTA_BUCKETS + 1) * QUOTA_BUCKET)


def stop(db: Db, gate: str, reason: str, until: int | None, detail: str, now: int, doubling: bool) -> bool:
    fresh = one(db, "select 1 from gate where id = ? and (until is null or until > ?)", gate, now) is None
    db.execute(
        "insert into gate values (?1, ?2, ?3, ?4, ?5) on conflict (id)"
        " do update set reason = ?2, until = ?3, detail = ?5, since = iif(?6, ?4, since)"
        " where ?6 or ?3 is null or until <= ?3",
        (gate, reason, until, now, detail, fresh),
    )
    if fresh:
        enter(db, now, "stopped", gate=gate, reason=reason, until=until, detail=detail)
    return fresh


def passed(db: Db, account: str, lane: str, now: int) -> None:
    """Journal and ramp follow with the breaker."""
    db.execute("delete from gate where id in (?, ?) and until <= ?", (f"account:{account}", f"lane:{lane}", now))


def resume(db: Db, gate: str, who: str, now: int) -> bool:
    there = bool(db.execute("delete from gate where id = ? returning id", (gate,)).fetchall())
    if there:
        enter(db, now, "resumed", gate=gate, who=who)
    return there


def stopped(db: Db, now: int) -> list[GateState]:
    return [
        GateState(*row)
        for row in db.execute(
            "select id, reason, until, since, detail from gate where until is null or until > ? order by id", (now,)
        )
    ]


def report(db: Db, account: str, used: int, now: int) -> None:
    db.execute(
        "insert into account (id, reported, reported_at) values (?1, ?2, ?3)"
        " on conflict (id) do update set reported = ?2, reported_at = ?3",
        (account, used, now),
    )
