"""Workers and what they may claim now."""

from __future__ import annotations

from kakitome.core.ids import RunId
from kakitome.core.message import Run
from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db, one
from kakitome.ledgers.sqlite.runs import get
from kakitome.ports.workers import WorkerRecord


def begin(db: Db, worker: WorkerRecord) -> None:
    db.execute(
        "insert or replace into worker values (?, ?, ?, ?)", (worker.id, worker.host, worker.boot, worker.heartbeat)
    )
    enter(db, worker.heartbeat, "worker_began", worker=worker.id, host=worker.host)


def beat(db: Db, worker: str, now: int) -> None:
    db.execute("update worker set heartbeat = ? where id = ?", (now, worker))


def all_workers(db: Db) -> list[WorkerRecord]:
    return [WorkerRecord(*row) for row in db.execute("select id, host, boot, heartbeat from worker order by id")]


def end(db: Db, worker: str, now: int) -> None:
    db.execute("delete from worker where id = ?", (worker,))
    enter(db, now, "worker_ended", worker=worker)


# The paces that a run has queued messages of, one step of the index for each: a million that wait are not walked.
_CLASSES = """
with recursive class(run, pace) as (
  select run, (select pace from message m where m.run = r.run and state = 0 order by pace limit 1) from {runs} r
  union all
  select run, (select pace from message m where m.run = class.run and state = 0 and m.pace > class.pace
    order by m.pace limit 1) from class where pace is not null)
"""
_DUE = """
exists (select 1 from message m where m.run = class.run and m.pace = class.pace and m.state = 0 and m.due <= ?1)
"""
RUNNABLE = f"""{_CLASSES.format(runs="runnable")}
select r.run from runnable r where r.run in (select run from class where pace is not null and {_DUE})
  and not exists (select 1 from meta where key = 'held')
order by r.transactional desc, r.created, r.run
"""
PACES = f"""{_CLASSES.format(runs="(select ?2 as run)")}
select pace from class where pace is not null and {_DUE} order by pace
"""
NEXT_DUE = f"""{_CLASSES.format(runs="runnable")}
select min((select min(due) from message m where m.run = class.run and m.pace = class.pace and m.state = 0))
from class where pace is not null
"""


def runnable(db: Db, now: int) -> list[Run]:
    return [get(db, row[0]) for row in db.execute(RUNNABLE, (now,)).fetchall()]


def paces(db: Db, run: RunId, now: int) -> list[str]:
    return [row[0] for row in db.execute(PACES, (now, run))]


def next_due(db: Db, now: int) -> int | None:
    due = one(db, NEXT_DUE)
    return None if due is None else int(due)
