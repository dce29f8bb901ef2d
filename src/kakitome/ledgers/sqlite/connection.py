"""Connections to the ledger file: one that writes, one that reads, both with the lifecycle table at hand."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from kakitome.core.errors import ConfigurationError, LedgerUnavailable
from kakitome.core.lifecycle import MOVES, Need
from kakitome.ledgers.sqlite.schema import MIGRATIONS

LEAST_SQLITE = (3, 51, 3)
"""3.7.0 to 3.51.2 can corrupt a file when several writers reset its WAL."""

_TROUBLE = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.NotADBError,
)


class Db(apsw.Connection):
    """A connection. What types a row has is the schema's business, which a type checker cannot see."""

    if TYPE_CHECKING:

        def execute(self, statements: str, bindings: Any = (), **_: Any) -> Any: ...


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's trouble as `LedgerUnavailable`."""
    try:
        yield
    except _TROUBLE as trouble:
        raise LedgerUnavailable(
            f"The ledger cannot be used now ({type(trouble).__name__}: {trouble}). Nothing was acknowledged.",
            "Check the disk's free space and the file's permissions, then try again.",
        ) from trouble


def connect(path: Path, *, read_only: bool = False) -> Db:
    """A connection in WAL mode. The writing one is `synchronous=FULL`: NORMAL forgets commits at a power cut."""
    with translated():
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        db = Db(str(path), flags=flags)
        db.set_busy_timeout(30_000)
        if not read_only:
            db.pragma("journal_mode", "wal")
            db.pragma("synchronous", "full")
            db.pragma("wal_autocheckpoint", 2_000)
        db.pragma("mmap_size", 0)
        db.pragma("cache_size", -16_000)
        db.pragma("temp_store", "memory")
        _moves(db)
        return db


def _moves(db: Db) -> None:
    """`lifecycle.MOVES` as a table, so that SQL obeys it too."""
    db.execute(
        "create temp table move (origin integer, cause text, target integer, cost integer, fenced integer,"
        " primary key (cause, origin)) without rowid"
    )
    rows = [(m.origin, m.cause, m.to, m.costs_attempt, m.needs is Need.FENCE) for m in MOVES if m.origin is not None]
    db.executemany("insert into move values (?, ?, ?, ?, ?)", rows)


def migrate(db: Db) -> None:
    """Bring the file to the newest form. Call it with the turn held."""
    if tuple(int(n) for n in apsw.sqlite_lib_version().split(".")) < LEAST_SQLITE:
        raise ConfigurationError(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a ledger that several processes write.",
            "Install apsw's own wheel (pip install --force-reinstall apsw), which brings a newer one.",
        )
    with translated():
        version = db.pragma("user_version")
        if version > len(MIGRATIONS):
            raise ConfigurationError(
                f"This ledger was written by a newer Kakitome (form {version}; this one knows {len(MIGRATIONS)}).",
                "Upgrade Kakitome, or point [ledger] url at another file.",
            )
        for number in range(version, len(MIGRATIONS)):
            with db:
                for statement in _statements(MIGRATIONS[number]):
                    db.execute(statement)
                if number == 0:
                    db.execute("insert into meta values ('hash_key', ?)", (secrets.token_bytes(32),))
                db.pragma("user_version", number + 1)


def _statements(script: str) -> Iterator[str]:
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    yield from (s for s in "\n".join(lines).split(";") if s.strip())


def one(db: Db, sql: str, *parameters: Any) -> Any:
    """The single value of a query, None where there is none."""
    row = db.execute(sql, parameters).fetchone()
    return None if row is None else row[0]


MOST_AT_ONCE = 64


def fill(db: Db, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Many rows with few statements: a statement is prepared once for each number of rows, and 64 rows are one step.

    Half the time of `json_each` with six fields a row, which takes each row's JSON apart six times.
    """
    for first in range(0, len(rows), MOST_AT_ONCE):
        part = rows[first : first + MOST_AT_ONCE]
        row = f"({', '.join('?' * len(part[0]))})"
        db.execute(f"insert into {table} values {', '.join([row] * len(part))}", [v for row in part for v in row])


_encode = msgspec.json.Encoder().encode


def as_json(value: Any) -> str:
    """A whole batch as one parameter: a row loop under the GIL is 1,000 times slower beside a busy thread."""
    return _encode(value).decode()
