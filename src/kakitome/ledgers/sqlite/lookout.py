"""What alerts look at: never at the mail that waits one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from kakitome.core.alert import GaveUp, RunSeen
from kakitome.core.ids import RunId
from kakitome.core.message import Entry
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ledgers.sqlite.threads import Thread
from kakitome.ports.alerts import BEGINNING, GOING, TELLING, Count, News, Sight
from kakitome.ports.workers import HEARTBEAT_LIMIT

# Each pace of a run is a queue of its own, and its oldest the first entry of an index that holds only what is open.
_OLDEST = """
with recursive paced (pace) as (
  select min(pace) from message where run = r.run and state = 0
  union all
  select (select min(pace) from message where run = r.run and state = 0 and pace > paced.pace) from paced
  where paced.pace is not null)
select min((select min(due) from message where run = r.run and state = 0 and message.pace = paced.pace)) from paced
"""
LOOK = f"""
select r.run, run.name, run.stream, run.campaign, run.campaign or not r.transactional, ({_OLDEST}),
  (select min(first_claimed) from message indexed by message_tried where run = r.run and state = 0
    and first_claimed is not null and resends = 0),
  a.went, a.begun
from runnable r join run on run.id = r.run left join alert_run a on a.run = r.run order by r.run
"""
IN_HAND = """
select run, min(first_claimed) from message indexed by message_lease where state = 1 and resends = 0 group by run
"""
GAVE_UP = """
select c.run, run.name, run.stream, c.name, c.n from counter c indexed by counter_person join run on run.id = c.run
where c.n > 0 and c.name in ('dead', 'unresolved') order by c.run
"""
WAITING = """
select (select count(*) from message where run = ?1 and state = 0 and due <= ?2)
  + (select count(*) from message indexed by message_tried
     where run = ?1 and state = 0 and first_claimed is not null and due > ?2)
  + (select count(*) from message indexed by message_lease where state = 1 and run = ?1)
"""
BEHIND = "select max(seq) from (select seq from journal where seq > ?1 order by seq limit ?2)"
LAST = """
select run, max(iif(kind in (select value from json_each(?3)), at, null)),
  max(iif(kind in (select value from json_each(?4)), at, null))
from journal where seq > ?1 and seq <= ?2 and run is not null group by run
"""
_NEWS = "select * from journal where seq > ? and seq <= ? and kind in (select value from json_each(?)) order by seq"
_CURSOR = "alert_cursor"


def look(db: Db, now: int) -> Sight:
    in_hand: dict[int, int] = dict(db.execute(IN_HAND).fetchall())
    workers, last = db.execute(
        "select count(*) filter (where heartbeat > ?), max(heartbeat) from worker", (now - HEARTBEAT_LIMIT,)
    ).fetchone()
    runs = tuple(_seen(row, in_hand.get(row[0]), now) for row in db.execute(LOOK).fetchall())
    return Sight(
        runs=tuple(run for run in runs if run.oldest is not None),
        gave_up=_gave_up(db),
        workers=workers,
        last_beat=last,
        held=one(db, "select 1 from meta where key = 'held'") is not None,
    )


def _seen(row: Any, in_hand: int | None, now: int) -> RunSeen:
    run, name, stream, campaign, listed, due, tried, went, begun = row
    overdue = due if due is not None and due <= now else None
    since = min((at for at in (overdue, tried) if at is not None), default=None)
    return RunSeen(
        run=run,
        name=name,
        stream=stream,
        campaign=bool(campaign),
        listed=bool(listed),
        since=since,
        in_hand=in_hand,
        went=went,
        begun=begun,
    )


def _gave_up(db: Db) -> tuple[GaveUp, ...]:
    found: dict[int, GaveUp] = {}
    for run, name, stream, word, n in db.execute(GAVE_UP):
        known = found.get(run, GaveUp(run=run, name=name, stream=stream))
        found[run] = msgspec.structs.replace(known, **{word: n})
    return tuple(found.values())


def count(db: Db, runs: Sequence[RunId], now: int) -> dict[RunId, Count]:
    return {
        run: Count(
            db.execute(WAITING, (run, now)).fetchone()[0],
            one(db, "select n from counter where run = ? and name = 'sent'", run) or 0,
        )
        for run in runs
    }


def news(db: Db, n: int) -> News:
    after = one(db, "select value from meta where key = ?", _CURSOR) or 0
    to = db.execute(BEHIND, (after, n)).fetchone()[0] or after
    last = db.execute(LAST, (after, to, as_json(sorted(GOING)), as_json(sorted(BEGINNING)))).fetchall()
    entries = db.execute(_NEWS, (after, to, as_json(sorted(TELLING)))).fetchall()
    return News(
        after=after,
        to=to,
        more=one(db, "select 1 from journal where seq > ? limit 1", to) is not None,
        went={RunId(run): went for run, went, _ in last if went is not None},
        begun={RunId(run): begun for run, _, begun in last if begun is not None},
        entries=tuple(_entry(row) for row in entries),
    )


def _entry(row: Any) -> Entry:
    seq, at, kind, run, message, data = row
    return Entry(seq=seq, at=at, kind=kind, run=run, message=message, data=msgspec.json.decode(data))


def advance(db: Db, news: News) -> bool:
    known = one(db, "select value from meta where key = ?", _CURSOR) or 0
    if known != news.after:
        return False
    if news.to != news.after:
        db.execute(
            "insert into meta values (?, ?) on conflict (key) do update set value = excluded.value", (_CURSOR, news.to)
        )
    for run in {*news.went, *news.begun}:
        db.execute(
            "insert into alert_run values (?1, ?2, ?3) on conflict (run) do update set"
            " went = max(coalesce(went, ?2), coalesce(?2, went)),"
            " begun = max(coalesce(begun, ?3), coalesce(?3, begun))",
            (run, news.went.get(run), news.begun.get(run)),
        )
    return True


class SqliteLookout:
    """See `ports.alerts.Lookout`."""

    def __init__(self, writer: Thread, reader: Thread) -> None:
        self._write = writer.run
        self._read = reader.run

    async def look(self, now: int) -> Sight:
        return await self._read(lambda db: look(db, now))

    async def count(self, runs: Sequence[RunId], now: int) -> dict[RunId, Count]:
        return await self._read(lambda db: count(db, runs, now))

    async def news(self, n: int) -> News:
        return await self._read(lambda db: news(db, n))

    async def advance(self, news: News) -> bool:
        return await self._write(lambda db: advance(db, news))
