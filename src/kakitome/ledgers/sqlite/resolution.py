"""Moves that no outcome makes: withdrawal, expiry, the end of a worker, doubt, a person's decision."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.evidence import STREAK, LaneRecord
from kakitome.core.ids import Fence, MessageId, RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Settlement
from kakitome.core.policy import Horizons, Policy
from kakitome.ledgers.sqlite.book import change, enter
from kakitome.ledgers.sqlite.claims import settle
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ports.messages import Doubt
from kakitome.ports.workers import Mark, MarkKind, Reaped

HEARTBEAT_LIMIT = 60_000


def cancel(db: Db, ids: Sequence[MessageId], who: str, now: int) -> list[MessageId]:
    asked = [
        row[0]
        for row in db.execute(
            "update message set cancel = ? where id in (select value from json_each(?)) and state in (0, 1, 3)"
            " returning id",
            (who, as_json(ids)),
        )
    ]
    queued = [
        r[0]
        for r in db.execute(
            "select id from message where id in (select value from json_each(?)) and state = 0", (as_json(asked),)
        )
    ]
    change(db, queued, Cause.CANCELLED, "", ())
    for id in asked:
        enter(db, now, Cause.CANCELLED, message=id, who=who)
    return [MessageId(id) for id in asked]


def resolve(db: Db, ids: Sequence[MessageId], cause: Cause, who: str, note: str, now: int) -> list[MessageId]:
    back = cause in (Cause.SILENCE, Cause.POLICY_RESEND, Cause.PERSON_RESEND)
    resend = cause in (Cause.SILENCE, Cause.POLICY_RESEND)
    extra = ", due = ?, expires = null, cancel = null" if back else ""
    if resend:
        extra += ", resends = resends + 1"
    moved = change(db, ids, cause, extra, (now,) if back else ())
    for id in moved:
        enter(db, now, cause, message=id, who=who, note=note)
    return moved


def expire(db: Db, n: int, now: int) -> int:
    ids = [
        row[0]
        for row in db.execute(
            "select id from message where state = 0 and expires is not null and expires <= ? order by expires limit ?",
            (now, n),
        )
    ]
    if ids:
        change(db, ids, Cause.EXPIRED, "", ())
        enter(db, now, Cause.EXPIRED, ids=ids)
    return len(ids)


_LEASE_OVER = """
select id, fence from message where state = 1 and worker in
  (select id from worker where heartbeat > ?2) and lease <= ?1
union all
select m.id, m.fence from message m where m.state = 1 and not exists
  (select 1 from worker w where w.id = m.worker and w.heartbeat > ?2)
limit ?3
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
        "select m.id, m.fence, m.run, run.policy, a.lane, a.begun, m.doubt_since, m.resends from message m"
        " join run on run.id = m.run join attempt a on a.message = m.id and a.fence = m.fence"
        " where m.state = 3 and m.due <= ? order by m.due limit ?",
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
    latest = one(db, "select at from lane_latest where lane = ?", lane)
    return LaneRecord(near[0], near[1], min(streak, STREAK), min(streak, STREAK) - (streak - seen), latest)


def look_again(db: Db, ids: Sequence[MessageId], at: int) -> None:
    db.execute(
        "update message set due = ? where id in (select value from json_each(?)) and state = ?",
        (at, as_json(ids), State.IN_DOUBT),
    )
