"""Workers and what they may claim now."""

from __future__ import annotations

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


def runnable(db: Db, now: int) -> list[Run]:
    rows = db.execute(
        "select run from runnable r where exists (select 1 from message where run = r.run and state = 0 and due <= ?)"
        " and not exists (select 1 from meta where key = 'held')"
        " order by transactional desc, created, run",
        (now,),
    )
    return [get(db, row[0]) for row in rows.fetchall()]


NEXT_DUE = """
select min(x) from (select (select min(due) from message where run = r.run and state = 0) as x from runnable r)
"""


def next_due(db: Db, now: int) -> int | None:
    due = one(db, NEXT_DUE)
    return None if due is None else int(due)
