"""Claim, check, settle: the path that every mail takes, a batch a statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from kakitome.core.ids import Fence, MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Claimed, Settlement
from kakitome.core.statistics import QUARTER
from kakitome.ledgers.sqlite.book import count_moves, enter, note
from kakitome.ledgers.sqlite.connection import Db, as_json, fill, one
from kakitome.ledgers.sqlite.events import match_waiting
from kakitome.ports.messages import OUTCOMES, Settled
from kakitome.ports.rows import Claiming

_DUE = "select id from message where run = ?1 and pace = ?4 and state = 0 and due <= ?2 order by due, id limit ?3"

_CLAIM = """
update message set state = 1, fence = fence + 1, worker = ?2, lease = ?3, first_claimed = coalesce(first_claimed, ?4)
where id in (select value from json_each(?1)) and state = 0 and due <= ?4
  and exists (select 1 from runnable where runnable.run = message.run)
  and not exists (select 1 from meta where key = 'held')
returning id
"""
_ATTEMPTS = """
insert into attempt (message, fence, worker, lane, begun)
select id, fence, ?2, ?3, ?4 from message where id in (select value from json_each(?1))
"""
_CLAIMED = """
select json_group_array(json_array(m.id, m.fence, m.run, r.address, m.attempts, m.first_claimed, m.expires,
  m.submission, coalesce(r.variables, '{}')))
from message m join row r on r.message = m.id where m.id in (select value from json_each(?1))
"""


class _Row(msgspec.Struct, array_like=True):
    id: MessageId
    fence: Fence
    run: RunId
    address: str
    attempts: int
    first_claimed: int
    expires: int | None
    submission: SubmissionId | None
    variables: str


_rows = msgspec.json.Decoder(list[_Row]).decode


def due(db: Db, run: RunId, n: int, now: int, pace: str) -> list[MessageId]:
    return [MessageId(row[0]) for row in db.execute(_DUE, (run, now, n, pace))]


def claim(db: Db, ids: Sequence[MessageId], worker: str, lane: str, lease: int, now: int) -> list[Claimed]:
    taken = as_json([row[0] for row in db.execute(_CLAIM, (as_json(ids), worker, lease, now))])
    if taken == "[]":
        return []
    db.execute(_ATTEMPTS, (taken, worker, lane, now))
    rows = _rows(one(db, _CLAIMED, taken))
    runs: dict[int, list[int]] = {}
    for row in rows:
        runs.setdefault(row.run, []).append(row.id)
    for run, claimed in runs.items():
        count_moves(db, [(run, State.QUEUED, State.SENDING, len(claimed))])
        enter(db, now, Cause.CLAIMED, run=run, worker=worker, lane=lane, lease=lease, ids=claimed)
    order = {id: k for k, id in enumerate(dict.fromkeys(ids))}
    rows.sort(key=lambda row: order[row.id])
    return [_claimed(row) for row in rows]


def admitted(db: Db, ids: Sequence[int], run: RunId, claim: Claiming, now: int) -> list[Claimed]:
    """The first attempts of messages that came into being with their claim."""
    taken = as_json(ids)
    db.execute(_ATTEMPTS, (taken, claim.worker, claim.lane, now))
    hands = msgspec.structs.asdict(claim)
    note(db, now, Cause.ADMITTED_WITH_CLAIM, {**hands, "ids": ids}, run)
    return [_claimed(row) for row in _rows(one(db, _CLAIMED, taken))]


def _claimed(r: _Row) -> Claimed:
    return Claimed(
        r.id, r.fence, r.run, r.address, r.attempts, r.first_claimed, r.expires, r.submission, r.variables.encode()
    )


def contents(db: Db, submissions: Sequence[SubmissionId]) -> dict[SubmissionId, bytes]:
    rows = db.execute(
        "select id, content from submission where id in (select value from json_each(?))", (as_json(submissions),)
    )
    return {id: content.encode() for id, content in rows}


_CHECK = """
select j.value->>0, case
  when m.state is not 1 or m.fence <> j.value->>1 then 'released'
  when m.cancel is not null then 'cancelled'
  when m.expires <= ?2 then 'expired'
  when exists (select 1 from suppression s join run on run.id = m.run
    where s.hash = r.hash and s.scope in ('all', 'stream:' || run.stream)) then 'suppressed'
  when not exists (select 1 from runnable where runnable.run = m.run) then 'released'
  end as cause
from json_each(?1) j left join message m on m.id = j.value->>0 left join row r on r.message = m.id
where cause is not null
"""


def check(db: Db, claims: Sequence[tuple[MessageId, Fence]], now: int) -> dict[MessageId, Cause]:
    return {MessageId(id): Cause(cause) for id, cause in db.execute(_CHECK, (as_json(claims), now))}


# Without keys, so that every statement begins with these few rows and looks the others up.
_STAGE = """
create temp table if not exists settled (
  id integer, fence integer, cause text, due integer, provider_id text, outcome text);
create temp table if not exists stage (
  id integer, fence integer, cause text, due integer, provider_id text, outcome text,
  run integer, origin integer, newest integer, withdrawn_by text, lane text, begun integer,
  target integer, cost integer, copies integer);
delete from settled;
delete from stage
"""
# The target is the table's row for the newest fence. Else acceptance is proof; and what comes back to queued after
# somebody withdrew it takes the next row, too.
_STAGE_FILL = f"""
insert into stage
select g.*, m.run, m.state, m.fence, m.cancel, a.lane, a.begun,
  case when v.target = {State.QUEUED} and m.cancel is not null then {State.CANCELLED}
    when v.target is not null then v.target
    when g.cause = 'provider_accepted' and m.state <> {State.SENT} then {State.SENT} end,
  coalesce(v.cost, 0),
  g.cause = 'provider_accepted' and g.fence < m.fence
    and m.state in ({State.SENDING}, {State.IN_DOUBT}, {State.UNRESOLVED})
from settled g cross join message m on m.id = g.id cross join attempt a on a.message = g.id and a.fence = g.fence
left join move v on v.cause = g.cause and v.origin = m.state and v.fenced and m.fence = g.fence
"""
_MOVE = f"""
update message set state = s.target, attempts = attempts + s.cost, worker = null, lease = null,
  due = iif(s.target in ({State.QUEUED}, {State.IN_DOUBT}), coalesce(s.due, message.due), message.due),
  doubt_since = iif(s.target = {State.IN_DOUBT}, ?1, null), copies_possible = copies_possible or s.copies
from stage s where message.id = s.id and s.target is not null
"""
# What is certain stays; only an acceptance is stronger than another certainty.
_OUTCOME = """
update attempt set settled = ?1, cause = s.cause, provider_id = coalesce(s.provider_id, attempt.provider_id),
  outcome = s.outcome
from stage s where attempt.message = s.id and attempt.fence = s.fence
  and (attempt.cause is null or attempt.cause in ('uncertain', 'lease_over', 'worker_gone_marked')
    or (s.cause = 'provider_accepted' and attempt.cause <> 'provider_accepted'))
"""
_COPIES = """
update message set copies_possible = 1
where id in (select id from stage where cause = 'provider_accepted' and newest > 1)
  and (select count(*) from attempt a where a.message = message.id
       and (a.cause = 'provider_accepted' or a.proved is not null)) > 1
"""


def settle(db: Db, settlements: Sequence[Settlement], now: int) -> Settled:
    if wrong := [s.cause for s in settlements if s.cause not in OUTCOMES]:
        raise ValueError(f"{wrong[0]} is not the outcome of an attempt.")
    moved = stale = 0
    for batch in _rounds(settlements):
        settled = _settle(db, batch, now)
        moved, stale = moved + settled.moved, stale + settled.stale
    return Settled(moved, stale)


def _rounds(settlements: Sequence[Settlement]) -> Iterator[list[Settlement]]:
    """Batches in which a message occurs once. Nearly always one; a reaped worker may have marks of several fences."""
    waiting = list(settlements)
    while waiting:
        first: dict[MessageId, int] = {}
        later = [s for k, s in enumerate(waiting) if first.setdefault(s.id, k) != k]
        yield [waiting[k] for k in first.values()]
        waiting = later


def _settle(db: Db, settlements: Sequence[Settlement], now: int) -> Settled:
    db.execute(_STAGE)
    batch = [(s.id, s.fence, s.cause, s.due, s.provider_id or None, s.outcome.decode()) for s in settlements]
    fill(db, "settled", batch)
    db.execute(_STAGE_FILL)
    _count_acceptances(db, now)
    db.execute(_MOVE, (now,))
    db.execute(_OUTCOME, (now,))
    db.execute(_COPIES)
    moves = db.execute(
        "select run, origin, target, count(*) from stage where target is not null group by 1, 2, 3"
    ).fetchall()
    count_moves(db, moves)
    _enter(db, now)
    _match_waiting_events(db, now)
    return Settled(sum(move[3] for move in moves), one(db, "select count(*) from stage where fence <> newest"))


def _count_acceptances(db: Db, now: int) -> None:
    """Before the attempts are written: an attempt counts once, when its first acceptance by reply comes; in the
    quarters only where no event has proved it before."""
    db.execute(
        "insert into lane_second select s.lane, ?1, count(*), count(a.proved) from stage s"
        " join attempt a on a.message = s.id and a.fence = s.fence"
        " where s.cause = 'provider_accepted' and a.cause is not 'provider_accepted' group by s.lane"
        " on conflict (lane, second) do update set accepted = accepted + excluded.accepted,"
        " proved = proved + excluded.proved",
        (now // 1000,),
    )
    db.execute(
        f"insert into quarter select s.begun / {QUARTER} * {QUARTER}, s.run, s.lane, 'accepted', count(*) from stage s"
        " join attempt a on a.message = s.id and a.fence = s.fence"
        " where s.cause = 'provider_accepted' and a.cause is not 'provider_accepted' and a.proved is null"
        " group by 1, 2, 3 on conflict (at, run, lane, name) do update set n = n + excluded.n"
    )


def _enter(db: Db, now: int) -> None:
    """Acceptances in one entry a run; everything else one by one, with the provider's whole answer."""
    for run, ids in db.execute(
        "select run, json_group_array(id) from stage where cause = 'provider_accepted' group by run"
    ).fetchall():
        enter(db, now, Cause.PROVIDER_ACCEPTED, run=run, ids=msgspec.json.decode(ids))
    db.execute(
        "insert into journal (at, kind, run, message, data) select ?, cause, run, id, json_object('fence', fence,"
        " 'lane', lane, 'begun', begun, 'stale', json(iif(fence <> newest, 'true', 'false')), 'due', due,"
        " 'outcome', json(outcome)) from stage where cause <> 'provider_accepted'",
        (now,),
    )
    db.execute(
        "insert into journal (at, kind, run, message, data) select ?, 'cancelled', run, id,"
        " json_object('who', withdrawn_by) from stage where target = ? and cause <> 'cancelled'",
        (now, State.CANCELLED),
    )


def _match_waiting_events(db: Db, now: int) -> None:
    """Events that came before the provider's id was known to us."""
    ids = one(
        db,
        "select json_group_array(provider_id) from stage where provider_id is not null"
        " and exists (select 1 from event where message is null)",
    )
    if ids and ids != "[]":
        match_waiting(db, msgspec.json.decode(ids), now)
