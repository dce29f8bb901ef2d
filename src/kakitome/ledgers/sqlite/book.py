"""What every change writes beside itself (journal entry, counters), and the one way to move messages by cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause, State, origins
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
    first = max(last + 1, now << 20)
    db.execute(
        "insert into meta values ('last_id', ?) on conflict (key) do update set value = excluded.value",
        (first + n - 1,),
    )
    return int(first)


def change(db: Db, ids: Sequence[int], cause: Cause, extra: str, parameters: tuple[object, ...]) -> list[MessageId]:
    """Move those of `ids` whose state allows the cause, and count it. `extra` are further assignments."""
    moved: list[MessageId] = []
    for origin in origins(cause):
        rows = db.execute(
            f"update message set state = (select target from move where cause = ? and origin = ?), worker = null,"
            f" lease = null, doubt_since = null{extra} where id in (select value from json_each(?)) and state = ?"
            f" returning id, run, state",
            (cause, origin, *parameters, as_json(ids), origin),
        ).fetchall()
        moved += [MessageId(row[0]) for row in rows]
        for run, target in {(row[1], row[2]) for row in rows}:
            count_moves(db, [(run, origin, target, sum(row[1] == run for row in rows))])
    return moved
