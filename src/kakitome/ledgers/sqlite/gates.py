"""Lanes and accounts that are stopped, or half open: one mail tries whether they work again."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core import breaker
from kakitome.core.outcome import Unavailability
from kakitome.core.pacing import Grant
from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ports.accounts import GateState, Wanted

_STATE = "select id, reason, until, since, detail, strikes from gate"


def half_open(db: Db, wanted: Wanted, now: int) -> list[str]:
    """Of the account's and the lane's gate those whose time is over, and which nobody has proved yet."""
    both = (f"account:{wanted.account}", f"lane:{wanted.lane}", now)
    return [row[0] for row in db.execute("select id from gate where id in (?, ?) and until <= ? order by id", both)]


def refusal(db: Db, wanted: Wanted, half_open: Sequence[str], now: int) -> Grant | None:
    """What a stopped gate says, or one that is half open to somebody else."""
    row = db.execute(
        "select reason, until from gate where id in (?, ?) and (until is null or until > ?)"
        " order by until is not null, until desc limit 1",
        (f"account:{wanted.account}", f"lane:{wanted.lane}", now),
    ).fetchone()
    if row is not None:
        return Grant(0, until=row[1] or now + 60_000, reason=row[0])
    if not half_open:
        return None
    mine = None if wanted.instead is None else wanted.instead + wanted.probe_ms
    others = db.execute(
        "select reason, probing from gate where id in (select value from json_each(?)) and probing is not ?"
        " order by probing desc, reason desc",
        (as_json(half_open), mine),
    ).fetchall()
    if others and (others[0][1] or 0) > now:
        return Grant(0, until=others[0][1], reason=others[0][0])
    may_try = wanted.probe if mine is None else not others
    if not may_try:
        reason = one(db, "select reason from gate where id = ?", half_open[0])
        return Grant(0, until=now + breaker.LOOK_AGAIN, reason=reason)
    return None


def probe(db: Db, gates: Sequence[str], until: int) -> None:
    """One mail is on its way to try; the others wait for it until then."""
    db.execute("update gate set probing = ? where id in (select value from json_each(?))", (until, as_json(gates)))


def untried(db: Db, account: str, lane: str, until: int) -> None:
    db.execute(
        "update gate set probing = null where id in (?, ?) and probing = ?",
        (f"account:{account}", f"lane:{lane}", until),
    )


def stop(db: Db, gate: str, reason: str, until: int | None, detail: str, now: int, doubling: bool) -> bool:
    known = _state(db, gate)
    is_strike = known is None or (known.until is not None and known.until <= now)
    if reason == Unavailability.THROTTLED and is_strike:
        _slow_down(db, gate, now)
    strikes = 1 if known is None else known.strikes + is_strike
    if doubling and is_strike and until is not None:
        until = now + breaker.pause(until - now, strikes)
    db.execute(
        "insert into gate (id, reason, until, since, detail, strikes) values (?1, ?2, ?3, ?4, ?5, ?6)"
        " on conflict (id) do update set reason = ?2, until = ?3, detail = ?5, strikes = ?6, probing = null"
        " where ?7 or ?3 is null or until <= ?3",
        (gate, reason, until, now, detail, strikes, is_strike),
    )
    if known is None:
        enter(db, now, "stopped", gate=gate, reason=reason, until=until, detail=detail)
    return known is None


def _state(db: Db, gate: str) -> GateState | None:
    row = db.execute(f"{_STATE} where id = ?", (gate,)).fetchone()
    return None if row is None else GateState(*row)


def _slow_down(db: Db, gate: str, now: int) -> None:
    kind, _, account = gate.partition(":")
    if kind == "account":
        row = db.execute("select factor, slowed from account where id = ?", (account,)).fetchone()
        factor, slowed = (1.0, 0) if row is None else row
        db.execute(
            "insert into account (id, factor, slowed) values (?1, ?2, ?3)"
            " on conflict (id) do update set factor = ?2, slowed = ?3",
            (account, breaker.throttled(breaker.recovered(factor, slowed, now)), now),
        )


def passed(db: Db, account: str, lane: str, now: int) -> None:
    rows = db.execute(
        "delete from gate where id in (?, ?) and until <= ? returning id, since, strikes",
        (f"account:{account}", f"lane:{lane}", now),
    ).fetchall()
    for gate, since, strikes in sorted(rows):
        enter(db, now, "resumed", gate=gate, who="probe", shut_ms=now - since, strikes=strikes)
        if gate == f"lane:{lane}" and now - since >= breaker.RETURN_AFTER:
            db.execute("insert or replace into pace (id, since, spent) values (?, ?, 0)", (gate, now))


def resume(db: Db, gate: str, who: str, now: int) -> bool:
    there = bool(db.execute("delete from gate where id = ? returning id", (gate,)).fetchall())
    db.execute("delete from pace where id = ?", (gate,))
    if there:
        enter(db, now, "resumed", gate=gate, who=who)
    return there


def stopped(db: Db) -> list[GateState]:
    return [GateState(*row) for row in db.execute(f"{_STATE} order by id")]
