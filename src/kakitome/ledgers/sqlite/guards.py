"""What the guard asks and says. The figures are counters: nothing is searched while mail goes out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.delivery import Delivery
from kakitome.core.guard import RANK, Figures, Level, Verdict, counts
from kakitome.core.ids import RunId
from kakitome.core.message import Run
from kakitome.ledgers.sqlite import guard_streams
from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ledgers.sqlite.threads import Thread
from kakitome.ports.guards import Watched, WatchedStream

_WATCHED = """
select run.id, run.name, stream, state, policy, campaign, template, pinned, created, coalesce(g.since, 0),
  coalesce(c.n, 0) + coalesce(h.n, 0) - coalesce(g.sent_before, 0), coalesce(g.bounced, 0),
  coalesce(g.complained, 0), g.verdict
from run left join guard g on g.run = run.id left join counter c on c.run = run.id and c.name = 'sent'
  left join counter h on h.run = run.id and h.name = 'sending'
"""
_DONE = "campaign = 1 and state = 'done' and created"
_BEGIN = """
insert into guard (run, since, sent_before)
  values (?1, ?2, coalesce((select n from counter where run = ?1 and name = 'sent'), 0))
on conflict (run) do update set since = max(?2, since + 1), sent_before = excluded.sent_before, bounced = 0,
  complained = 0, verdict = null
"""


class SqliteGuards:
    def __init__(self, writer: Thread, reader: Thread) -> None:
        self._write = writer.run
        self._read = reader.run

    async def watched(self, campaign: RunId | None = None, since: int | None = None) -> Sequence[Watched]:
        return await self._read(lambda db: watched(db, campaign, since))

    async def say(self, run: RunId, since: int, verdict: Verdict, now: int) -> bool:
        return await self._write(lambda db: say(db, run, since, verdict, now))

    async def begin_window(self, run: RunId, since: int, now: int) -> bool:
        return await self._write(lambda db: begin_window(db, run, since, now))

    async def streams(self) -> Sequence[WatchedStream]:
        return await self._read(guard_streams.streams)

    async def say_of_stream(self, stream: str, since: int, verdict: Verdict, now: int) -> Sequence[RunId] | None:
        return await self._write(lambda db: guard_streams.say(db, stream, since, verdict, now))

    async def begin_stream_window(self, stream: str, since: int, to: int) -> bool:
        return await self._write(lambda db: guard_streams.begin_window(db, stream, since, to))


def watched(db: Db, campaign: RunId | None, since: int | None = None) -> list[Watched]:
    which = "run.id = ?1" if campaign else f"run.id in (select run from runnable) or {_DONE} >= ?1"
    return [_watched(row) for row in db.execute(f"{_WATCHED} where {which} order by run.id", (campaign or since,))]


def _watched(row: tuple[object, ...]) -> Watched:
    id, name, stream, state, policy, campaign, template, pinned, created, since, sent, bounced, complained, said = row
    verdict = None if said is None else msgspec.json.decode(str(said), type=Verdict)
    run = msgspec.convert(
        {"id": id, "name": name, "stream": stream, "state": state, "campaign": bool(campaign), "template": template}
        | {"policy": msgspec.json.decode(str(policy)), "pinned": str(pinned).encode(), "created": created},
        Run,
        builtin_types=(bytes,),
    )
    level = verdict.level if verdict else Level.QUIET
    figures = {"since": since, "level": level, "sent": sent, "bounced": bounced, "complained": complained}
    return Watched(run, msgspec.convert(figures, Figures), verdict)


def say(db: Db, run: RunId, since: int, verdict: Verdict, now: int) -> bool:
    there = next(iter(watched(db, run)), None)
    states = ("running", "done") if verdict.level is Level.WARNED else ("running",)
    if there is None or there.run.state not in states or there.figures.since != since:
        return False
    if RANK[verdict.level] <= RANK[there.figures.level]:
        return False
    db.execute(
        "insert into guard (run, verdict) values (?1, ?2) on conflict (run) do update set verdict = ?2",
        (run, as_json(verdict)),
    )
    if verdict.level is Level.PAUSED:
        db.execute("update run set state = 'paused' where id = ?", (run,))
        db.execute("delete from runnable where run = ?", (run,))
    enter(db, now, f"guard_{verdict.level}", run=run, verdict=verdict, since=since)
    return True


def begin_window(db: Db, run: RunId, since: int, now: int) -> bool:
    if (one(db, "select since from guard where run = ?", run) or 0) != since:
        return False
    db.execute(_BEGIN, (run, max(now, since + 1)))
    return True


def resumed(db: Db, run: int, now: int) -> None:
    """Somebody lets a run go on: after a pause of the guard's, only what is sent from now on counts, and after one of
    the whole stream only what begins from now on."""
    said = one(db, "select verdict from guard where run = ?", run)
    if said is not None and msgspec.json.decode(said, type=Verdict).level is Level.PAUSED:
        db.execute(_BEGIN, (run, now))
        guard_streams.resumed(db, run, now)


def count(db: Db, run: int, message: int, before: Delivery, after: Delivery) -> None:
    """What more (or, where a bounce turns out to be the provider's own list, less) is known of this window's mail."""
    was, now = counts(before), counts(after)
    if was == now:
        return
    since = one(db, "select since from guard where run = ?", run) or 0
    if (one(db, "select max(begun) from attempt where message = ?", message) or 0) >= since:
        db.execute(
            "insert into guard (run, bounced, complained) values (?1, ?2, ?3) on conflict (run) do update set"
            " bounced = bounced + ?2, complained = complained + ?3",
            (run, now[0] - was[0], now[1] - was[1]),
        )
