"""What the guard said of streams as a whole, and when the window of each began. Their figures are their runs'."""

from __future__ import annotations

import msgspec

from kakitome.core.guard import RANK, Level, Verdict
from kakitome.core.ids import RunId
from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ports.guards import WatchedStream

_STREAMS = "select stream, since, said, verdict from guard_stream"
_RUNNING = "select run.id from runnable join run on run.id = runnable.run where stream = ? order by run.id"
_SPOKEN_OF = """
select id from run where stream = ? and (campaign = 0 or state in ('running', 'done'))
  order by campaign, created desc, id desc limit 1
"""
_SAY = """
insert into guard_stream (stream, said, verdict) values (?1, ?2, ?3)
on conflict (stream) do update set said = ?2, verdict = ?3
"""
_BEGIN = """
insert into guard_stream (stream, since) values (?1, ?2)
on conflict (stream) do update set since = max(?2, since + 1), said = 0, verdict = null
"""


def streams(db: Db) -> list[WatchedStream]:
    return [_stream(row) for row in db.execute(f"{_STREAMS} order by stream")]


def _stream(row: tuple[str, int, int, str | None]) -> WatchedStream:
    stream, since, said, verdict = row
    return WatchedStream(stream, since, said, None if verdict is None else msgspec.json.decode(verdict, type=Verdict))


def _of(db: Db, stream: str) -> WatchedStream:
    row = db.execute(f"{_STREAMS} where stream = ?", (stream,)).fetchone()
    return WatchedStream(stream) if row is None else _stream(row)


def say(db: Db, stream: str, since: int, verdict: Verdict, now: int) -> list[RunId] | None:
    there = _of(db, stream)
    if there.since != since or RANK[verdict.level] <= RANK[there.level]:
        return None
    found = db.execute(_RUNNING if verdict.level is Level.PAUSED else _SPOKEN_OF, (stream,)).fetchall()
    runs = [RunId(row[0]) for row in found]
    if not runs:
        return None
    db.execute(_SAY, (stream, now, as_json(verdict)))
    if verdict.level is Level.PAUSED:
        _pause(db, runs, verdict)
    for run in runs:
        enter(db, now, f"guard_{verdict.level}", run=run, verdict=verdict, since=since)
    return runs


def _pause(db: Db, runs: list[RunId], verdict: Verdict) -> None:
    ids = as_json(runs)
    db.execute("update run set state = 'paused' where id in (select value from json_each(?))", (ids,))
    db.execute("delete from runnable where run in (select value from json_each(?))", (ids,))
    db.execute(
        "insert into guard (run, verdict) select value, ?2 from json_each(?1) where true"
        " on conflict (run) do update set verdict = excluded.verdict",
        (ids, as_json(verdict)),
    )


def begin_window(db: Db, stream: str, since: int, to: int) -> bool:
    if _of(db, stream).since != since:
        return False
    db.execute(_BEGIN, (stream, max(to, since + 1)))
    return True


def resumed(db: Db, run: int, now: int) -> None:
    """Somebody lets a run go on that the guard paused."""
    stream = one(db, "select stream from run where id = ?", run)
    if _of(db, stream).level is Level.PAUSED:
        db.execute(_BEGIN, (stream, now))
