"""Rows that come while their campaign runs, each together with its claim, a batch a statement."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.errors import NotFound, StateError
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Claimed, Run
from kakitome.ledgers.sqlite import claims
from kakitome.ledgers.sqlite.book import count, enter, next_ids
from kakitome.ledgers.sqlite.connection import Db, as_json, fill, one
from kakitome.ledgers.sqlite.runs import MERGE_AT, become, check_alone, get, merge_addressees
from kakitome.ledgers.sqlite.threads import Thread
from kakitome.ports.rows import Claiming, Taken
from kakitome.ports.runs import ImportRow


class SqliteRows:
    def __init__(self, writer: Thread, reader: Thread) -> None:
        self._write = writer.run

    async def expect(self, run: RunId, digest: str, rows: int, now: int) -> Run:
        return await self._write(lambda db: expect(db, run, digest, rows, now))

    async def take(
        self, run: RunId, digest: str, rows: Sequence[ImportRow], claim: Claiming | None, due: int, now: int
    ) -> Taken:
        return await self._write(lambda db: take(db, run, digest, rows, claim, due, now))

    async def bad(self, run: RunId, digest: str, lines: Sequence[int], now: int) -> None:
        await self._write(lambda db: bad(db, run, digest, lines))

    async def close(self, run: RunId, digest: str, now: int) -> int:
        return await self._write(lambda db: close(db, run, digest, now))


def expect(db: Db, run: RunId, digest: str, rows: int, now: int) -> Run:
    campaign = get(db, run)
    if campaign.state == "cancelled":
        raise StateError(f"The campaign {campaign.name!r} was cancelled.", "Give the new issue a name of its own.")
    known = db.execute("select expected, sealed from import where run = ? and digest = ?", (run, digest)).fetchone()
    if known is None or not known[1]:
        check_alone(db, campaign, digest)
    if known is not None and known[0] != rows:
        said = "as a whole" if known[0] is None else f"as {known[0]:,} rows"
        raise StateError(
            f"The campaign {campaign.name!r} has begun to take in this list {said}, not as {rows:,}.",
            "Go on in the way it was begun.",
        )
    if known is None:
        sql = "insert into import (run, digest, next_line, expected) values (?, ?, 0, ?)"
        db.execute(sql, (run, digest, rows))
        count(db, run, "read", rows)
        count(db, run, "missing", rows)
        enter(db, now, "import_expected", run=run, digest=digest, rows=rows)
        if campaign.state not in ("running", "paused"):
            become(db, run, "running", "import", now)
    return get(db, run)


def _expected(db: Db, run: RunId, digest: str) -> tuple[int, int, bool]:
    """Its number, how many rows, whether no more come."""
    sql = "select id, expected, sealed from import where run = ? and digest = ? and expected is not null"
    row = db.execute(sql, (run, digest)).fetchone()
    if row is None:
        raise NotFound(f"No rows of {digest} are expected in this campaign.", "Expect them first.")
    return row[0], row[1], bool(row[2])


def _open(db: Db, run: RunId, digest: str) -> int:
    number, _, closed = _expected(db, run, digest)
    if closed:
        raise StateError(
            f"The list {digest} is closed in the campaign {get(db, run).name!r}: no more rows of it are taken.",
            "Give the new issue a name of its own.",
        )
    return number


_TAKING = """
create temp table if not exists handed (nth integer, line integer, address text, hash integer, variables text,
  pace text);
create temp table if not exists taking (nth, line, address, hash, variables, pace, message, verdict);
delete from handed;
delete from taking
"""
# `message` is the one that the row's address has; of an address without one the first line gets it, and `new` is the
# row that makes it.
_JUDGED = """
insert into taking
select h.nth, h.line, h.address, h.hash, h.variables, h.pace, r.message, case
  when r.import = ?2 and r.line = h.line then 'own' when r.import = ?2 then 'duplicate'
  when r.message is not null then 'already'
  when row_number() over (partition by h.hash order by h.line, h.nth) = 1 then 'new'
  when min(h.line) over (partition by h.hash) = h.line then 'own' else 'duplicate' end
from handed h left join row r on r.message = coalesce(
  (select message from addressee where hash = h.hash and run = ?1),
  (select message from addressee_new where hash = h.hash and run = ?1))
"""
_NUMBERED = """
update taking set message = numbered.id
from (select nth, ?1 - 1 + row_number() over (order by line) as id from taking where verdict = 'new') numbered
where taking.nth = numbered.nth
"""
_MESSAGES = f"""
insert into message (id, run, state, due, expires, pace, fence, worker, lease, first_claimed)
select message, ?1, iif(?4 is null, {State.QUEUED}, {State.SENDING}), ?2, ?3, pace, ?4 is not null, ?4, ?5, ?6
from taking where verdict = 'new' order by message
"""
_RUNS = """
select exists (select 1 from runnable where run = ?) and not exists (select 1 from meta where key = 'held')
"""


def take(
    db: Db, run: RunId, digest: str, rows: Sequence[ImportRow], claim: Claiming | None, due: int, now: int
) -> Taken:
    number = _open(db, run, digest)
    db.execute(_TAKING)
    fill(db, "handed", [(k, r.line, r.address, r.hash, r.variables, r.pace) for k, r in enumerate(rows)])
    db.execute(_JUDGED, (run, number))
    hands = claim if due <= now and one(db, _RUNS, run) else None
    taken = _admit(db, run, number, digest, hands, due, now)
    waiting = one(db, "select json_group_array(message) from taking where verdict = 'own' and message is not null")
    if claim is not None and waiting != "[]":
        taken += claims.claim(db, msgspec.json.decode(waiting), claim.worker, claim.lane, claim.lease, now)
    _tell(db, run, number, "select line, verdict from taking where verdict in ('duplicate', 'already')")
    n = dict(db.execute("select verdict, count(*) from taking group by verdict").fetchall())
    fresh = n.get("new", 0) + n.get("own", 0)
    return Taken(_in_order(db, taken), fresh, n.get("duplicate", 0), n.get("already", 0))


def _admit(db: Db, run: RunId, number: int, digest: str, claim: Claiming | None, due: int, now: int) -> list[Claimed]:
    """The new ones become messages, in the caller's hands if there is a claim."""
    new = one(db, "select count(*) from taking where verdict = 'new'")
    if not new:
        return []
    first = next_ids(db, new, now)
    db.execute(_NUMBERED, (first,))
    db.execute(
        "insert into row (message, run, hash, import, line, address, variables)"
        " select message, ?1, hash, ?2, line, address, variables from taking where verdict = 'new' order by message",
        (run, number),
    )
    db.execute(
        "insert into addressee_new select hash, ?, message from taking where verdict = 'new' order by hash", (run,)
    )
    merge_addressees(db, MERGE_AT)
    expires = one(db, "select expires from run where id = ?", run)
    hands = (claim.worker, claim.lease, now) if claim else (None, None, None)
    db.execute(_MESSAGES, (run, due, expires, *hands))
    count(db, run, "missing", -new)
    count(db, run, (State.SENDING if claim else State.QUEUED).word, new)
    if claim is None:
        enter(db, now, Cause.ACCEPTED, run=run, digest=digest, first=first, last=first + new - 1)
        return []
    return claims.admitted(db, list(range(first, first + new)), run, claim, now)


def _in_order(db: Db, taken: Sequence[Claimed]) -> tuple[Claimed, ...]:
    """As their rows were given."""
    if len(taken) < 2:
        return tuple(taken)
    sql = "select message, min(nth) from taking where message is not null group by message"
    place: dict[MessageId, int] = dict(db.execute(sql).fetchall())
    return tuple(sorted(taken, key=lambda claimed: place[claimed.id]))


def _tell(db: Db, run: RunId, number: int, lines: str, *parameters: object) -> None:
    """Count lines that became no message, each once."""
    db.execute("create temp table if not exists told (line, verdict); delete from told")
    db.execute(
        f"insert into told select distinct line, verdict from ({lines}) said"
        f" where not exists (select 1 from import_line l where l.import = {number} and l.line = said.line)",
        parameters,
    )
    for verdict, n in db.execute("select verdict, count(*) from told group by verdict").fetchall():
        count(db, run, verdict, n)
        count(db, run, "missing", -n)
    db.execute("insert into import_line select ?, line, verdict from told order by line", (number,))


def bad(db: Db, run: RunId, digest: str, lines: Sequence[int]) -> None:
    number = _open(db, run, digest)
    _tell(db, run, number, "select value as line, 'invalid' as verdict from json_each(?)", as_json(lines))


def close(db: Db, run: RunId, digest: str, now: int) -> int:
    number, rows, closed = _expected(db, run, digest)
    if closed:
        told = one(db, "select count(*) from import_line where import = ?", number)
        return int(rows - told - one(db, "select count(*) from row where run = ? and import = ?", run, number))
    # The only list of its campaign that is open: whatever is missing there is missing of this one.
    missing = int(one(db, "select n from counter where run = ? and name = 'missing'", run) or 0)
    if not missing:
        db.execute("update import set sealed = 1 where id = ?", (number,))
        merge_addressees(db)
        enter(db, now, "import_closed", run=run, digest=digest)
    return missing
