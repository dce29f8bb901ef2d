"""What every change writes beside itself (journal entry, counters), and the one way to move messages by cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kakitome.core.ids import MessageId, RunId, first_of
from kakitome.core.lifecycle import Cause, Need, State, move, origins
from kakitome.ledgers.sqlite.connection import Db, as_json, one


def enter(db: Db, at: int, kind: str, *, run: int | None = None, message: int | None = None, **data: Any) -> None:
    """Write a journal entry, in the same transaction as the change that it is about."""
    note(db, at, kind, data, run, message)


def note(db: Db, at: int, kind: str, data: dict[str, Any], run: int | None = None, message: int | None = None) -> None:
    db.execute(
        "insert into journal (at, kind, run, message, data) values (?, ?, ?, ?, ?)",
        (at, kind, run, message, as_json(data)),
    )


def count(db: Db, run: int, name: str, n: int) -> None:
    if n:
        db.execute(
            "insert into counter values (?, ?, ?) on conflict (run, name) do update set n = n + excluded.n",
            (run, name, n),
        )


def count_moves(db: Db, moves: Iterable[tuple[int, int, int, int]]) -> None:
    """Counters for messages that moved: (run, origin, target, how many)."""
    for run, origin, target, n in list(moves):
        count(db, run, State(origin).word, -n)
        count(db, run, State(target).word, n)


def next_ids(db: Db, n: int, now: int) -> int:
    """The first of `n` new ids in a row. Ids lead with the time, so a restored backup never gives one out again that
    events of lost days could name."""
    last = one(db, "select value from meta where key = 'last_id'") or 0
    first = max(last + 1, first_of(now))
    db.execute(
        "insert into meta values ('last_id', ?) on conflict (key) do update set value = excluded.value",
        (first + n - 1,),
    )
    return int(first)


def change(
    db: Db, ids: Sequence[int], cause: Cause, now: int, extra: str = "", parameters: tuple[object, ...] = ()
) -> dict[MessageId, RunId]:
    """Move those of `ids` whose state allows the cause to anybody, and count it. Answers them with their runs.

    `extra` are further assignments, whose parameters begin at ?4. What comes back to queued after somebody withdrew
    it is cancelled.
    """
    moved: dict[MessageId, RunId] = {}
    for origin in origins(cause):
        step = move(origin, cause)
        if step is None or step.needs is Need.FENCE:
            continue
        rows = db.execute(
            f"update message set state = iif(?1 = {State.QUEUED} and cancel is not null, {State.CANCELLED}, ?1),"
            f" worker = null, lease = null, doubt_since = null{extra}"
            f" where id in (select value from json_each(?2)) and state = ?3 returning id, run, state, cancel",
            (step.to, as_json(ids), origin, *parameters),
        ).fetchall()
        moved |= {row[0]: row[1] for row in rows}
        _count(db, rows, origin)
        for id, run, state, who in rows:
            if state != step.to:
                enter(db, now, Cause.CANCELLED, run=run, message=id, who=who)
    return {MessageId(id): moved[MessageId(id)] for id in dict.fromkeys(ids) if id in moved}


def _count(db: Db, rows: Sequence[tuple[int, int, int, str | None]], origin: State) -> None:
    together: dict[tuple[int, int], list[int]] = {}
    for id, run, target, _ in rows:
        together.setdefault((run, target), []).append(id)
    for (run, target), ids in together.items():
        incoming = _incoming(db, run, ids) if origin is State.QUEUED else 0
        count(db, run, "importing", -incoming)
        count(db, run, origin.word, incoming - len(ids))
        count(db, run, State(target).word, len(ids))


def _incoming(db: Db, run: int, ids: Sequence[int]) -> int:
    """How many of these queued messages belong to a list that is still being taken in: they count as `importing`."""
    number = one(db, "select id from import where run = ? and not sealed and expected is null", run)
    if number is None:
        return 0
    sql = "select count(*) from row where message in (select value from json_each(?)) and import = ?"
    return int(one(db, sql, as_json(ids), number))


def count_copies(db: Db, message: int) -> None:
    """Two attempts of which it is known that they were accepted are two mails."""
    db.execute(
        "update message set copies_possible = 1 where id = ?1 and fence > 1 and (select count(*) from attempt"
        " where message = ?1 and (cause = 'provider_accepted' or proved is not null)) > 1",
        (message,),
    )
