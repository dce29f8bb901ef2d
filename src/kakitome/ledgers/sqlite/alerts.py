"""Alerts that were raised, and who tells them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

import msgspec

from kakitome.core.alert import Alert, Facts, Finding, Kind, Level
from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ledgers.sqlite.threads import Thread
from kakitome.ports.alerts import TAKEN, Telling

_COLUMNS = "id, key, kind, level, since, raised, ended, facts"


def raise_(db: Db, finding: Finding, channels: Sequence[str], seen: int, now: int) -> Alert | None:
    since_when = seen if finding.lasting else 0
    known = one(db, "select 1 from alert where key = ? and (ended is null or ended >= ?)", finding.key, since_when)
    if known:
        return None
    id = db.execute(
        "insert into alert (key, kind, level, since, raised, ended, facts) values (?, ?, ?, ?, ?, ?, ?) returning id",
        (
            finding.key,
            finding.kind,
            finding.level,
            finding.since,
            now,
            None if finding.lasting else now,
            as_json(finding.facts),
        ),
    ).fetchone()[0]
    _to_tell(db, id, "raised", channels, now)
    enter(db, now, "alert_raised", alert=id, key=finding.key, level=finding.level)
    return _alerts(db, f"select {_COLUMNS} from alert where id = ?", (id,))[0]


def _to_tell(db: Db, alert: int, part: str, channels: Sequence[str], now: int) -> None:
    db.execute(
        "insert into alert_telling (alert, part, channel, until) select ?, ?, value, ? from json_each(?)",
        (alert, part, now, as_json(channels)),
    )


def renew(db: Db, id: int, facts: Facts) -> bool:
    sql = "update alert set facts = ? where id = ? and ended is null returning id"
    return bool(db.execute(sql, (as_json(facts), id)).fetchall())


def end(db: Db, id: int, facts: Facts, channels: Sequence[str], now: int) -> bool:
    sql = "update alert set ended = ?, facts = ? where id = ? and ended is null returning key"
    ended = db.execute(sql, (now, as_json(facts), id)).fetchall()
    if ended:
        db.execute("delete from alert_telling where alert = ? and told is null", (id,))
        _to_tell(db, id, "ended", channels, now)
        enter(db, now, "alert_ended", alert=id, key=ended[0][0])
    return bool(ended)


def waiting(db: Db, channels: Sequence[str], now: int) -> bool:
    sql = (
        "select 1 from alert_telling where told is null and until <= ? and channel in (select value from json_each(?))"
    )
    return one(db, f"{sql} limit 1", now, as_json(channels)) is not None


def take(db: Db, channels: Sequence[str], n: int, now: int) -> list[Telling]:
    taken = db.execute(
        "update alert_telling set until = ?1, tries = tries + 1 where (alert, part, channel) in"
        " (select alert, part, channel from alert_telling where told is null and until <= ?2"
        " and channel in (select value from json_each(?3)) order by until limit ?4)"
        " returning alert, part, channel, tries",
        (now + TAKEN, now, as_json(channels), n),
    ).fetchall()
    ids = as_json([row[0] for row in taken])
    alerts = {
        alert.id: alert
        for alert in _alerts(db, f"select {_COLUMNS} from alert where id in (select value from json_each(?))", (ids,))
    }
    return [Telling(alerts[alert], part, channel, tries) for alert, part, channel, tries in sorted(taken)]


def told(db: Db, telling: Telling, again: int | None, now: int) -> None:
    mine = (telling.alert.id, telling.part, telling.channel, telling.tries)
    there = db.execute(
        "update alert_telling set until = coalesce(?5, until), told = iif(?5 is null, ?6, null)"
        " where alert = ?1 and part = ?2 and channel = ?3 and tries = ?4 and told is null returning 1",
        (*mine, again, now),
    ).fetchall()
    if there and again is None:
        enter(db, now, "alert_told", alert=telling.alert.id, part=telling.part, channel=telling.channel)


def all_alerts(db: Db, n: int) -> list[Alert]:
    open_now = _alerts(db, f"select {_COLUMNS} from alert where ended is null order by id", ())
    ended = f"select {_COLUMNS} from alert where ended is not null order by ended desc, id desc limit ?"
    return open_now + _alerts(db, ended, (n,))


def _alerts(db: Db, sql: str, parameters: tuple[object, ...]) -> list[Alert]:
    rows = db.execute(sql, parameters).fetchall()
    told: dict[int, list[tuple[str, str, int | None]]] = {}
    for alert, *what in db.execute(
        "select alert, part, channel, told from alert_telling where alert in (select value from json_each(?))"
        " order by alert, part desc, channel",
        (as_json([row[0] for row in rows]),),
    ):
        told.setdefault(alert, []).append((what[0], what[1], what[2]))
    return [
        Alert(
            id=id,
            key=key,
            kind=Kind(kind),
            level=Level(level),
            since=since,
            raised=raised,
            ended=ended,
            facts=msgspec.json.decode(facts, type=Facts),
            told=tuple(told.get(id, ())),
        )
        for id, key, kind, level, since, raised, ended, facts in rows
    ]


class SqliteAlerts:
    """See `ports.alerts.Alerts`."""

    def __init__(self, writer: Thread, reader: Thread) -> None:
        self._write = writer.run
        self._read = reader.run

    async def raise_(self, finding: Finding, channels: Sequence[str], seen: int, now: int) -> Alert | None:
        return await self._write(lambda db: raise_(db, finding, channels, seen, now))

    async def renew(self, id: int, facts: Facts) -> bool:
        return await self._write(lambda db: renew(db, id, facts))

    async def end(self, id: int, facts: Facts, channels: Sequence[str], now: int) -> bool:
        return await self._write(lambda db: end(db, id, facts, channels, now))

    async def take(self, channels: Sequence[str], n: int, now: int) -> builtins.list[Telling]:
        if not await self._read(lambda db: waiting(db, channels, now)):  # nearly always: and nothing is written
            return []
        return await self._write(lambda db: take(db, channels, n, now))

    async def told(self, telling: Telling, again: int | None, now: int) -> None:
        await self._write(lambda db: told(db, telling, again, now))

    async def list(self, n: int) -> builtins.list[Alert]:
        return await self._read(lambda db: all_alerts(db, n))
