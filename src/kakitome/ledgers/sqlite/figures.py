"""What figures say: sums over rows of counters, found by their run; no event and no message is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from kakitome.core.ids import RunId
from kakitome.core.statistics import TOTALS, LinkFigures, Totals
from kakitome.ledgers.sqlite.connection import Db, as_json
from kakitome.ledgers.sqlite.threads import Thread
from kakitome.ports.figures import Timely

_OF_RUNS: Final = "from tally where run in (select value from json_each(?1)) and scope = ?2"
TOTAL: Final = f"select name, sum(n) {_OF_RUNS} group by name"
DOMAINS: Final = f"""
select key, name, sum(n) {_OF_RUNS} and key in (
  select key {_OF_RUNS} and name = 'heard' group by key order by sum(n) desc, key limit ?3
) group by key, name
"""
DOMAIN: Final = f"select key, name, sum(n) {_OF_RUNS} and key = ?3 group by key, name"
LINKS: Final = f"""
select key, sum(iif(name = 'messages', n, 0)) as messages, sum(iif(name = 'clicks', n, 0)),
  sum(iif(name = 'machine', n, 0)) {_OF_RUNS} group by key having sum(n) > 0 order by messages desc, key limit ?3
"""
MACHINES: Final = f"select key, sum(iif(name = 'opens', n, 0)), sum(iif(name = 'clicks', n, 0)) {_OF_RUNS} group by key"
TIMELY: Final = "select at, lane, name, sum(n) from quarter where at >= ?1 and at < ?2"
TIMELY_OF: Final = f"{TIMELY} and run in (select value from json_each(?3))"


class SqliteFigures:
    """See `ports.figures.Figures`."""

    def __init__(self, writer: Thread, reader: Thread) -> None:
        self._read = reader.run

    async def totals(self, runs: Sequence[RunId]) -> Totals:
        return await self._read(lambda db: _totals(db.execute(TOTAL, (as_json(runs), ""))))

    async def domains(self, runs: Sequence[RunId], n: int, domain: str | None = None) -> dict[str, Totals]:
        return await self._read(lambda db: _domains(db, runs, n, domain))

    async def links(self, runs: Sequence[RunId], n: int) -> list[LinkFigures]:
        return await self._read(lambda db: [LinkFigures(*row) for row in db.execute(LINKS, (as_json(runs), "link", n))])

    async def machines(self, runs: Sequence[RunId]) -> dict[str, tuple[int, int]]:
        return await self._read(lambda db: _machines(db, runs))

    async def timely(self, since: int, until: int, runs: Sequence[RunId] | None = None) -> list[Timely]:
        return await self._read(lambda db: _timely(db, since, until, runs))


def _domains(db: Db, runs: Sequence[RunId], n: int, domain: str | None) -> dict[str, Totals]:
    sql, last = (DOMAINS, n) if domain is None else (DOMAIN, domain)
    found: dict[str, dict[str, int]] = {}
    for key, name, number in db.execute(sql, (as_json(runs), "domain", last)):
        found.setdefault(key, {})[name] = number
    made = {key: _totals(names.items()) for key, names in found.items() if any(names.values())}
    return dict(sorted(made.items(), key=lambda each: (-each[1].heard, each[0])))


def _totals(rows: Iterable[Any]) -> Totals:
    return Totals(**{name: n for name, n in rows if name in TOTALS})


def _machines(db: Db, runs: Sequence[RunId]) -> dict[str, tuple[int, int]]:
    rows = db.execute(MACHINES, (as_json(runs), "machine"))
    return {key: (opens, clicks) for key, opens, clicks in rows if opens or clicks}


def _timely(db: Db, since: int, until: int, runs: Sequence[RunId] | None) -> list[Timely]:
    sql, last = (TIMELY, ()) if runs is None else (TIMELY_OF, (as_json(runs),))
    rows = db.execute(f"{sql} group by at, lane, name order by at, lane, name", (since, until, *last))
    return [Timely(*row) for row in rows]
