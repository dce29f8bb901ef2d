"""Figures: one row for each number. What a message adds is computed anew from its own few touches when news of it come,
and the difference goes into the counters; reports read counters only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

import msgspec

from kakitome.core.delivery import NOTHING, Delivery, fold
from kakitome.core.engagement import Touch, kept, touch_of
from kakitome.core.event import Event
from kakitome.core.statistics import QUARTER, Cell, adds, domain_of, told
from kakitome.ledgers.sqlite.connection import Db, as_json, one

_ADD: Final = """
insert into tally (run, scope, key, name, n)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 from json_each(?) where true
on conflict (run, scope, key, name) do update set n = n + excluded.n
"""
_ADD_TIMELY: Final = """
insert into quarter (at, run, lane, name, n)
select e.value ->> 2, m.run, a.lane, e.value ->> 3, count(*) from json_each(?) e
join message m on m.id = e.value ->> 0 join attempt a on a.message = m.id and a.fence = e.value ->> 1
group by 1, 2, 3, 4
on conflict (at, run, lane, name) do update set n = n + excluded.n
"""
_KNOWN: Final = """
select m.id, m.run, r.address, d.folded, t.touches from json_each(?) asked join message m on m.id = asked.value
left join row r on r.message = m.id left join delivery d on d.message = m.id left join touched t on t.message = m.id
"""

_encode = msgspec.json.Encoder().encode
_touches = msgspec.json.Decoder(tuple[Touch, ...])


def take_in(db: Db, events: Sequence[tuple[Event, tuple[int, int]]]) -> None:
    """Count events that were just matched with their attempts, before their messages' deliveries are folded.

    Before `begin` nothing is counted: that counts all there is.
    """
    if not events or not _begun(db):
        return
    news: dict[int, list[Event]] = {}
    for event, (message, _) in events:
        news.setdefault(message, []).append(event)
    cells: Counter[tuple[int, Cell]] = Counter()
    for id, run, address, folded, stored in db.execute(_KNOWN, (as_json(list(news)),)).fetchall():
        before = msgspec.json.decode(folded, type=Delivery) if folded else NOTHING
        touches = _touches.decode(stored) if stored else ()
        after, more = before, []
        for event in news[id]:
            after = fold(after, event)
            more += [touch] if (touch := touch_of(event)) else []
        all_touches = kept((*touches, *more))
        if all_touches != touches:
            _keep(db, id, all_touches)
        domain = domain_of(address)
        cells.update({(run, cell): n for cell, n in adds(domain, after, all_touches).items()})
        cells.subtract({(run, cell): n for cell, n in adds(domain, before, touches).items()})
    _write(db, cells)
    timely = [(*where, event.at // QUARTER * QUARTER, name) for event, where in events for name in told(event)]
    if timely:
        db.execute(_ADD_TIMELY, (as_json(timely),))


def _keep(db: Db, message: int, touches: Sequence[Touch]) -> None:
    db.execute("insert or replace into touched values (?, ?)", (message, _encode(touches).decode()))


def _write(db: Db, cells: Mapping[tuple[int, Cell], int]) -> None:
    rows = [(run, *cell, n) for (run, cell), n in cells.items() if n]
    if rows:
        db.execute(_ADD, (as_json(rows),))


# ── The beginning, and the recount ──────────────────────────────────────────────────────────────────────────────────


def _begun(db: Db) -> bool:
    return one(db, "select 1 from meta where key = 'figures'") is not None


def begin(db: Db) -> None:
    """Once: count what a ledger has that is older than its figures. Call it between two folds."""
    if _begun(db):
        return
    db.execute("insert into meta values ('figures', 1)")
    _write(db, recount(db))
    for message, touches in _touched(db):
        _keep(db, message, touches)
    db.execute("insert into quarter (at, run, lane, name, n) select * from (" + _TOLD_ANEW + ") where n > 0")


def recount(db: Db) -> Counter[tuple[int, Cell]]:
    """The figures of all messages, anew, from their folded deliveries and their opens and clicks."""
    cells: Counter[tuple[int, Cell]] = Counter()
    touched = dict(_touched(db))
    for id, run, address, folded in db.execute(
        "select d.message, d.run, r.address, d.folded from delivery d left join row r on r.message = d.message"
    ):
        delivery = msgspec.json.decode(folded, type=Delivery)
        for cell, n in adds(domain_of(address), delivery, touched.get(id, ())).items():
            cells[run, cell] += n
    return cells


def _touched(db: Db) -> Iterator[tuple[int, tuple[Touch, ...]]]:
    rows = db.execute(
        "select message, event from event where message is not null and kind in ('opened', 'clicked') order by message"
    )
    for message, group in groupby(rows, key=lambda row: int(row[0])):
        found = (touch_of(msgspec.json.decode(event, type=Event)) for _, event in group)
        if touches := kept(touch for touch in found if touch is not None):
            yield message, touches


# `told`, as a statement: a million events are not decoded one by one.
_TOLD_ANEW: Final = f"""
select e.at / {QUARTER} * {QUARTER} as at, m.run as run, a.lane as lane, n.value as name, count(*) as n
from event e join message m on m.id = e.message join attempt a on a.message = e.message and a.fence = e.fence
join json_each(case e.kind when 'delivered' then '["delivered"]'
  when 'rejected' then '["rejected"]' when 'rendering_failed' then '["rejected"]'
  when 'complained' then iif(e.event ->> 'complaint' is 'not-spam', '[]', '["complained"]')
  when 'bounced' then iif(e.event ->> 'permanence' is 'permanent'
    and e.event ->> 'bounce_class' is not 'suppressed', '["bounced","permanent"]', '["bounced"]')
  else '[]' end) n
where e.message is not null group by 1, 2, 3, 4
"""
_ACCEPTED_ANEW: Final = f"""
select a.begun / {QUARTER} * {QUARTER} as at, m.run as run, a.lane as lane, 'accepted' as name, count(*) as n
from attempt a join message m on m.id = a.message where a.cause = 'provider_accepted' or a.proved is not null
group by 1, 2, 3, 4
"""


def proved(db: Db, message: int, fence: int) -> None:
    """Before the attempt is written that is proved now: it counts, unless its reply or another proof has come."""
    db.execute(
        f"insert into quarter select a.begun / {QUARTER} * {QUARTER}, m.run, a.lane, 'accepted', 1 from attempt a"
        " join message m on m.id = a.message where a.message = ? and a.fence = ?"
        " and a.cause is not 'provider_accepted' and a.proved is null"
        " on conflict (at, run, lane, name) do update set n = n + 1",
        (message, fence),
    )


def differences(db: Db) -> list[tuple[str, int, int]]:
    """Where a recount contradicts the counters: what, by the recount, by the counter."""
    if not _begun(db):
        return []
    names = dict(db.execute("select id, name from run").fetchall())
    there = recount(db)
    counted = {(row[0], (row[1], row[2], row[3])): row[4] for row in db.execute("select * from tally")}
    wrong = [
        (f"{names.get(run, run)}: figure {' '.join(part for part in cell if part)}", there[run, cell], n)
        for run, cell in {**there, **counted}
        if (n := counted.get((run, cell), 0)) != there[run, cell]
    ]
    timely = f"{_TOLD_ANEW} union all {_ACCEPTED_ANEW}"
    anew = {tuple(row[:4]): row[4] for row in db.execute(timely)}
    kept_rows = {tuple(row[:4]): row[4] for row in db.execute("select at, run, lane, name, n from quarter")}
    return wrong + [
        (f"{names.get(key[1], key[1])}: {key[3]} by {key[2]} in a quarter", anew.get(key, 0), kept_rows.get(key, 0))
        for key in {**anew, **kept_rows}
        if anew.get(key, 0) != kept_rows.get(key, 0)
    ]
