"""Has this file been here before? A restored backup must not send again what was sent after it was made.

Beside the ledger lies `…-highwater`: the largest journal number that was ever committed, written behind each commit and
before anybody hears of it. A ledger that knows less than its high water was replaced by an older one: it is held (it
claims nothing, and accepts all the same) until a person says that it may go on. The file needs no fsync: it may fall
behind the ledger at a power cut, never be ahead of it. Back up the ledger without it.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db, one

_NUMBER = struct.Struct("<q")
HELD = "held"


class HighWater:
    """Use it only with the turn held: then its number rises."""

    def __init__(self, database: Path) -> None:
        self._fd = os.open(f"{database}-highwater", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def reached(self) -> int:
        stored = os.pread(self._fd, _NUMBER.size, 0)
        return int(_NUMBER.unpack(stored)[0]) if len(stored) == _NUMBER.size else 0

    def rise(self, db: Db) -> None:
        os.pwrite(self._fd, _NUMBER.pack(journal_size(db)), 0)

    def close(self) -> None:
        os.close(self._fd)


def journal_size(db: Db) -> int:
    return int(one(db, "select coalesce(max(seq), 0) from journal"))


def hold_if_older(db: Db, reached: int, now: int) -> None:
    """Hold a ledger that knows less than its high water."""
    lacking = reached - journal_size(db)
    if lacking > 0 and held(db) is None:
        text = f"it lacks {lacking} of the journal entries that were written here"
        db.execute("insert into meta values (?, ?)", (HELD, text))
        enter(db, now, "held", reason="restored", lacking=lacking)


def held(db: Db) -> str | None:
    """Why this ledger is held, None where it is not."""
    reason = one(db, "select value from meta where key = ?", HELD)
    return None if reason is None else str(reason)


def release(db: Db, who: str, note: str, now: int) -> bool:
    there = bool(db.execute("delete from meta where key = ? returning 1", (HELD,)).fetchall())
    if there:
        enter(db, now, "released", who=who, note=note)
    return there
