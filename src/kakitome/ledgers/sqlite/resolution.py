"""Moves that no outcome makes: withdrawal, expiry, the end of a worker, doubt, a person's decision."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.evidence import STREAK, LaneRecord
from kakitome.core.ids import Fence, MessageId, RunId
from kakitome.core.lifecycle import Cause, State, origins
from kakitome.core.message import Settlement
from kakitome.core.policy import Horizons, Policy
from kakitome.ledgers.sqlite import counting
from kakitome.ledgers.sqlite.book import change, count_copies, enter
from kakitome.ledgers.sqlite.claims import settle
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ledgers.sqlite.runs import run_again
from kakitome.ports.messages import DECISIONS, RESENDS, Doubt
from kakitome.ports.workers import HEARTBEAT_LIMIT, Mark, MarkKind, Reaped

_OPEN = f"({State.QUEUED}, {State.SENDING}, {State.IN_DOUBT})"


def cancel(db: Db, ids: Sequence[MessageId], who: str, now: int) -> list[MessageId]:
    asked = dict(
        db.execute(
            f"update message set cancel = ? where id in (select value from json_each(?)) and state in {_OPEN}"
            " returning id, run",
            (who, as_json(ids)),
        ).fetchall()
    )
    change(db, list(asked), Cause.CANCELLED, now)
    for id, run in asked.items():
        enter(db, now, Cause.CANCELLED, run=run, message=id, who=who)
    return [id for id in dict.fromkeys(ids) if id in asked]


def resolve(db: Db, ids: Sequence[MessageId], cause: Cause, who: str, note: str, now: int) -> list[MessageId]:
    if cause not in DECISIONS:
        raise ValueError(f"{cause} is not a decision.")
    extra = ""
    if cause is Cause.PERSON_RESEND:
        ids = _unwithdrawn(db, ids)
    elif cause is Cause.PROOF:
        ids = _those(db, ids, "fence > 0")
    elif cause in RESENDS:
        ids = _those(db, ids, "resends = 0")
    if cause in RESENDS or cause is Cause.PERSON_RESEND:
        extra = ", due = iif(cancel is null, ?4, due)"
        extra += ", resends = resends + 1" if cause in RESENDS else ", expires = iif(expires <= ?4, null, expires)"
    moved = change(db, ids, cause, now, extra, (now,) if extra else ())
    for id, run in moved.items():
        enter(db, now, cause, run=run, message=id, who=who, note=note)
    if cause is Cause.PROOF:
        _prove_newest(db, list(moved), now)
    if cause is Cause.PERSON_RESEND:
        for run in set(moved.values()):
            run_again(db, run, who, now)
    return list(moved)


def _unwithdrawn(db: Db, ids: Sequence[MessageId]) -> list[MessageId]:
    """Those that a person may send again. The person's word is newer than an earlier withdrawal; but a cancelled
    campaign stays cancelled."""
    states = as_json(origins(Cause.PERSON_RESEND))
    sql = """update message set cancel = null where id in (select value from json_each(?1))
      and state in (select value from json_each(?2))
      and run not in (select id from run where state = 'cancelled') returning id"""
    free = {row[0] for row in db.execute(sql, (as_json(ids), states))}
    return [id for id in ids if id in free]


def _those(db: Db, ids: Sequence[MessageId], condition: str) -> list[MessageId]:
    sql = f"select id from message where id in (select value from json_each(?)) and {condition}"
    found = {row[0] for row in db.execute(sql, (as_json(ids),))}
    return [id for id in ids if id in found]


def _prove_newest(db: Db, ids: Sequence[MessageId], now: int) -> None:
    for id in ids:
        counting.proved(db, id, one(db, "select fence from message where id = ?", id))
    db.execute(
        "update attempt set proved = coalesce(proved, ?2) where (message, fence) in"
        " (select id, fence from message where id in (select value from json_each(?1)))",
        (as_json(ids), now),
    )
    for id in ids:
        count_copies(db, id)


def expire(db: Db, n: int, now: int) -> int:
    sql = "select id from message where state = 0 and expires is not null and expires <= ? order by expires, id limit ?"
    moved = change(db, [row[0] for row in db.execute(sql, (now, n))], Cause.EXPIRED, now)
    for run in set(moved.values()):
        enter(db, now, Cause.EXPIRED, run=run, ids=[id for id, its in moved.items() if its == run])
    return len(moved)


_LEASE_OVER = """
select m.id, m.fence from message m left join worker w on w.id = m.worker
where m.state = 1 and (m.lease <= ?1 or w.heartbeat <= ?2) limit ?3
"""


def lease_over(db: Db, n: int, now: int) -> int:
    claims = db.execute(_LEASE_OVER, (now, now - HEARTBEAT_LIMIT, n)).fetchall()
    if claims:
        settle(db, [_settlement(id, fence, Cause.LEASE_OVER, now) for id, fence in claims], now)
    return len(claims)


def _settlement(id: int, fence: int, cause: Cause, due: int | None, provider_id: str | None = None) -> Settlement:
    return Settlement(id=MessageId(id), fence=Fence(fence), cause=cause, due=due, provider_id=provider_id)


def reap(db: Db, worker: str, marks: Sequence[Mark] | None, now: int) -> Reaped:
    """Accepted by its mark → sent, refused or no mark → queued, on the wire → in doubt; no file: all in doubt."""
    by_claim = {(m.message, m.fence): m for m in marks or ()}
    settlements = []
    for id, fence in db.execute("select id, fence from message where state = 1 and worker = ?", (worker,)).fetchall():
        mark = by_claim.get((id, fence))
        if marks is None or (mark and mark.kind is MarkKind.ON_THE_WIRE):
            settlements.append(_settlement(id, fence, Cause.WORKER_GONE_MARKED, now))
        elif mark and mark.kind is MarkKind.ACCEPTED:
            settlements.append(_settlement(id, fence, Cause.PROVIDER_ACCEPTED, None, mark.provider_id or None))
        else:
            settlements.append(_settlement(id, fence, Cause.WORKER_GONE_UNMARKED, now))
    # A claim that left `sending` by its lease may still have its answer in a mark: that answer is evidence.
    settled = {(s.id, s.fence) for s in settlements}
    settlements += [
        _settlement(m.message, m.fence, Cause.PROVIDER_ACCEPTED, None, m.provider_id or None)
        for m in by_claim.values()
        if m.kind is MarkKind.ACCEPTED and (m.message, m.fence) not in settled
    ]
    db.execute("delete from worker where id = ?", (worker,))
    reaped = Reaped(
        *(
            sum(s.cause is c for s in settlements)
            for c in (Cause.WORKER_GONE_UNMARKED, Cause.PROVIDER_ACCEPTED, Cause.WORKER_GONE_MARKED)
        )
    )
    enter(db, now, "worker_reaped", worker=worker, **{f: getattr(reaped, f) for f in Reaped.__struct_fields__})
    if settlements:
        settle(db, settlements, now)
    return reaped


def doubts(db: Db, n: int, now: int) -> list[Doubt]:
    rows = db.execute(
        "select m.id, m.fence, m.run, run.policy, a.lane, a.begun, m.doubt_since, m.resends, run.stream from message m"
        " join run on run.id = m.run join attempt a on a.message = m.id and a.fence = m.fence"
        " where m.state = 3 and m.due <= ? order by m.due, m.id limit ?",
        (now, n),
    )
    return [
        Doubt(MessageId(r[0]), Fence(r[1]), RunId(r[2]), msgspec.json.decode(r[3], type=Policy), *r[4:]) for r in rows
    ]


def record(db: Db, lane: str, begun: int, horizons: Horizons, now: int) -> LaneRecord:
    near = db.execute(
        "select coalesce(sum(accepted), 0), coalesce(sum(proved), 0) from lane_second"
        " where lane = ? and second between ? and ?",
        (lane, (begun - horizons.neighbourhood) // 1000, (begun + horizons.neighbourhood) // 1000),
    ).fetchone()
    streak = seen = 0
    past = (now - horizons.quiet) // 1000
    for accepted, proved in db.execute(
        "select accepted, proved from lane_second where lane = ? and second < ? order by second desc", (lane, past)
    ):
        streak, seen = streak + accepted, seen + proved
        if streak >= STREAK:
            break
    most = min(streak, STREAK)
    latest = one(db, "select at from lane_latest where lane = ?", lane)
    return LaneRecord(near[0], near[1], most, max(0, most - (streak - seen)), latest)


def look_again(db: Db, ids: Sequence[MessageId], at: int) -> None:
    db.execute(
        "update message set due = ? where id in (select value from json_each(?)) and state = ?",
        (at, as_json(ids), State.IN_DOUBT),
    )
