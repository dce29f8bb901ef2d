"""Runs and imports."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.errors import NotFound, StateError
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Run
from kakitome.core.policy import Kind, Policy
from kakitome.ledgers.sqlite import guards
from kakitome.ledgers.sqlite.book import count, count_moves, enter, next_ids
from kakitome.ledgers.sqlite.connection import Db, as_json, fill, one
from kakitome.ports.runs import MOVES, Import, ImportBatch

_COLUMNS = "id, name, stream, state, policy, campaign, template, pinned, created"


def _run(row: tuple[object, ...]) -> Run:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["policy"] = msgspec.json.decode(str(values["policy"]), type=Policy)
    values["pinned"] = str(values["pinned"]).encode()
    return Run(**(values | {"campaign": bool(values["campaign"])}))  # type: ignore[arg-type]


def get(db: Db, run: int) -> Run:
    row = db.execute(f"select {_COLUMNS} from run where id = ?", (run,)).fetchone()
    if row is None:
        raise NotFound(f"There is no run {run}.")
    return _run(row)


def find(db: Db, name: str) -> Run | None:
    row = db.execute(f"select {_COLUMNS} from run where name = ?", (name,)).fetchone()
    return None if row is None else _run(row)


def all_runs(db: Db, live: bool) -> list[Run]:
    where = "where state <> 'done'" if live else ""
    return [_run(row) for row in db.execute(f"select {_COLUMNS} from run {where} order by created desc, id desc")]


def present(db: Db, run: int, hashes: Sequence[int]) -> set[int]:
    rows = db.execute(
        "select value from json_each(?2) where exists (select 1 from addressee where hash = value and run = ?1)"
        " or exists (select 1 from addressee_new where hash = value and run = ?1)",
        (run, as_json(hashes)),
    )
    return {row[0] for row in rows}


def stream(db: Db, name: str, policy: Policy, now: int) -> Run:
    known = find(db, f"stream:{name}")
    if known is None:
        id = next_ids(db, 1, now)
        db.execute(
            "insert into run (id, name, stream, campaign, state, policy, pinned, created)"
            " values (?, ?, ?, 0, 'running', ?, '{}', ?)",
            (id, f"stream:{name}", name, as_json(policy), now),
        )
        _set_runnable(db, id, True)
        enter(db, now, "stream_opened", run=id, name=name)
        return get(db, id)
    if known.policy != policy:
        db.execute("update run set policy = ? where id = ?", (as_json(policy), known.id))
        enter(db, now, "policy_changed", run=known.id)
        _set_runnable(db, known.id, known.state == "running")
    return get(db, known.id)


def open_campaign(
    db: Db, name: str, stream: str, policy: Policy, template: int | None, pinned: bytes, expires: int | None, now: int
) -> Run:
    if (known := find(db, name)) is not None:
        return known
    id = next_ids(db, 1, now)
    db.execute(
        "insert into run (id, name, stream, campaign, state, policy, template, pinned, expires, created)"
        " values (?, ?, ?, 1, 'importing', ?, ?, ?, ?, ?)",
        (id, name, stream, as_json(policy), template, pinned.decode(), expires, now),
    )
    enter(db, now, "campaign_opened", run=id, name=name, stream=stream, template=template)
    return get(db, id)


def _set_runnable(db: Db, run: int, yes: bool) -> None:
    db.execute("delete from runnable where run = ?", (run,))
    if yes:
        policy, created = db.execute("select policy, created from run where id = ?", (run,)).fetchone()
        transactional = msgspec.json.decode(policy, type=Policy).kind is Kind.TRANSACTIONAL
        db.execute("insert into runnable values (?, ?, ?)", (run, transactional, created))


def _import(db: Db, run: int, digest: str) -> tuple[int, Import] | None:
    row = db.execute("select id, next_line, sealed from import where run = ? and digest = ?", (run, digest)).fetchone()
    return None if row is None else (row[0], Import(RunId(run), digest, row[1], bool(row[2])))


def begin_import(db: Db, run: RunId, digest: str, now: int) -> Import:
    campaign = get(db, run)
    if campaign.state == "cancelled":
        raise StateError(f"The campaign {campaign.name!r} was cancelled.", "Give the new issue a name of its own.")
    known = _import(db, run, digest)
    if known and known[1].sealed:
        return known[1]
    check_alone(db, campaign, digest)
    if known is None:
        db.execute("insert into import (run, digest, next_line) values (?, ?, 0)", (run, digest))
        db.execute("update run set before_import = state, state = 'importing' where id = ?", (run,))
        _set_runnable(db, run, False)
        enter(db, now, "import_begun", run=run, digest=digest)
    found = _appendable(db, run, digest)
    assert found is not None
    return found[1]


def check_alone(db: Db, campaign: Run, digest: str) -> None:
    """`StateError` if another list is being taken in."""
    sql = "select digest from import where run = ? and not sealed and digest <> ?"
    other = one(db, sql, campaign.id, digest)
    if other is not None:
        raise StateError(
            f"The campaign {campaign.name!r} is still taking in another list ({other}).",
            "Start it once more with that list, so that its import ends; then start it with this one.",
        )


def _appendable(db: Db, run: int, digest: str) -> tuple[int, Import] | None:
    """`StateError` if rows of this list come in another way."""
    found = _import(db, run, digest)
    if found and not found[1].sealed and expected(db, found[0]) is not None:
        raise is_expected(get(db, run))
    return found


def expected(db: Db, number: int) -> int | None:
    rows: int | None = one(db, "select expected from import where id = ?", number)
    return rows


def is_expected(campaign: Run) -> StateError:
    return StateError(
        f"The campaign {campaign.name!r} waits for rows of a list that comes in parts.",
        "Let whoever sends the parts finish, or cancel the campaign: what has not come is `missing` in its account.",
    )


_INCOMING = """
create temp table if not exists given (line integer, address text, hash integer, variables text, pace text);
create temp table if not exists incoming (line, address, hash, variables, pace, nth, seen);
delete from given;
delete from incoming
"""
# `seen` is the import that the address has its message from already, `nth` its how-manieth line in this batch.
_WANTED = """
insert into incoming
select g.line, g.address, g.hash, g.variables, g.pace, row_number() over (partition by g.hash order by g.line),
  (select import from row where message = coalesce(
    (select message from addressee where hash = g.hash and run = ?1),
    (select message from addressee_new where hash = g.hash and run = ?1)))
from given g
"""
MERGE_AT = 50_000


def append(db: Db, run: RunId, digest: str, batch: ImportBatch, due: int, now: int) -> Import:
    found = _appendable(db, run, digest)
    if found is None:
        raise NotFound(f"No import of {digest} was begun for this campaign.")
    number, known = found
    if known.sealed or batch.first_line != known.next_line:
        return known
    db.execute(_INCOMING)
    fill(db, "given", [(row.line, row.address, row.hash, row.variables, row.pace) for row in batch.rows])
    db.execute(_WANTED, (run,))
    new = one(db, "select count(*) from incoming where nth = 1 and seen is null")
    first = next_ids(db, max(new, 1), now)
    expires = one(db, "select expires from run where id = ?", run)
    db.execute(
        "insert into row (message, run, hash, import, line, address, variables)"
        " select ?1 - 1 + row_number() over (order by line), ?2, hash, ?3, line, address, variables"
        " from incoming where nth = 1 and seen is null",
        (first, run, number),
    )
    db.execute(
        "insert into addressee_new select hash, run, message from row where message between ? and ? order by hash",
        (first, first + new - 1),
    )
    merge_addressees(db, MERGE_AT)
    db.execute(
        "insert into message (id, run, state, due, expires, pace)"
        " select ?1 - 1 + row_number() over (order by line), ?2, 0, ?3, ?4, pace"
        " from incoming where nth = 1 and seen is null",
        (first, run, due, expires),
    )
    _count_batch(db, run, number, batch, new)
    db.execute("update import set next_line = ? where id = ?", (batch.next_line, number))
    ids = {"first": first, "last": first + new - 1} if new else {}
    enter(db, now, Cause.ACCEPTED, run=run, digest=digest, next_line=batch.next_line, **ids)
    return Import(run, digest, batch.next_line, False)


def merge_addressees(db: Db, at: int = 0) -> None:
    """From so many on."""
    if one(db, "select count(*) from addressee_new") < at:
        return
    # `or fail`: nothing can conflict, and `or abort` would keep a copy of each page that it may have to give back.
    db.execute("insert or fail into addressee select * from addressee_new order by hash, run, message")
    db.execute("delete from addressee_new")


def _count_batch(db: Db, run: int, number: int, batch: ImportBatch, new: int) -> None:
    already = one(db, "select count(*) from incoming where seen <> ?", number)
    count(db, run, "read", len(batch.rows) + batch.invalid)
    count(db, run, "invalid", batch.invalid)
    count(db, run, "already", already)
    count(db, run, "duplicate", len(batch.rows) - new - already)
    count(db, run, "importing", new)


def seal(db: Db, run: RunId, digest: str, now: int) -> Run:
    found = _appendable(db, run, digest)
    if found is None:
        raise NotFound(f"No import of {digest} was begun for this campaign.")
    if not found[1].sealed:
        db.execute("update import set sealed = 1 where id = ?", (found[0],))
        merge_addressees(db)
        fresh = one(db, "select n from counter where run = ? and name = 'importing'", run) or 0
        count(db, run, "importing", -fresh)
        count(db, run, State.QUEUED.word, fresh)
        before = one(db, "select before_import from run where id = ?", run)
        after = before if before in ("running", "paused") else "ready"
        db.execute("update run set state = ?, before_import = null where id = ?", (after, run))
        _set_runnable(db, run, after == "running")
        enter(db, now, "import_sealed", run=run, digest=digest, messages=fresh)
    return get(db, run)


def move(db: Db, run: RunId, to: str, who: str, now: int) -> Run:
    known = get(db, run)
    if known.state not in MOVES.get(to, ()) or (to in ("done", "cancelled") and not known.campaign):
        raise StateError(
            f"The campaign {known.name!r} is {known.state}; it cannot become {to}.",
            "Start it again with its list first." if known.state == "importing" else "",
        )
    if to == "done" and one(db, "select 1 from message where run = ? and state in (0, 1, 3) limit 1", run):
        raise StateError(f"The campaign {known.name!r} still has open messages; it is not done.")
    if to == "done" and one(db, "select 1 from import where run = ? and not sealed and expected is not null", run):
        raise is_expected(known)
    if to != known.state:
        become(db, run, to, who, now)
    if to == "cancelled":
        _cancel_rows(db, run, who)
    return get(db, run)


def become(db: Db, run: int, state: str, who: str, now: int) -> None:
    if state == "running":
        guards.resumed(db, run, now)
    db.execute("update run set state = ? where id = ?", (state, run))
    _set_runnable(db, run, state == "running")
    enter(db, now, f"campaign_{state}", run=run, who=who)


def run_again(db: Db, run: int, who: str, now: int) -> None:
    """A campaign that was done has queued messages again."""
    if get(db, run).state == "done":
        become(db, run, "running", who, now)


def _cancel_rows(db: Db, run: int, who: str) -> None:
    importing = one(db, "select n from counter where run = ? and name = 'importing'", run) or 0
    count(db, run, "importing", -importing)
    count(db, run, State.QUEUED.word, importing)
    db.execute("update import set sealed = 1 where run = ?", (run,))
    db.execute("update message set state = ?, cancel = ? where run = ? and state = 0", (State.CANCELLED, who, run))
    count_moves(db, [(run, State.QUEUED, State.CANCELLED, db.changes())])
    for state in (State.SENDING, State.IN_DOUBT):  # each has its own small index
        db.execute(f"update message set cancel = ? where run = ? and state = {state}", (who, run))
