"""Whose quota is used up: a note for people, written by those who ask for slots. It stops nothing."""

from __future__ import annotations

from kakitome.core.pacing import is_news
from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db
from kakitome.ports.accounts import Parking, Wanted


def is_parked(db: Db, wanted: Wanted) -> bool:
    query = "select 1 from parking where account = ? and transactional >= ?"
    return db.execute(query, (wanted.account, wanted.transactional)).fetchone() is not None


def park(db: Db, wanted: Wanted, until: int, now: int) -> None:
    key = (wanted.account, int(wanted.transactional))
    known = db.execute("select until from parking where account = ? and transactional = ?", key).fetchone()
    if known is None:
        db.execute("insert into parking values (?, ?, ?, ?)", (*key, now, until))
        enter(db, now, "parked", account=wanted.account, lists=not wanted.transactional, until=until)
    elif is_news(known[0], until):
        db.execute("update parking set until = ? where account = ? and transactional = ?", (until, *key))


def lift(db: Db, wanted: Wanted, now: int) -> None:
    """Where a list may go, single mails may; not the other way round."""
    over = db.execute(
        "delete from parking where account = ? and transactional >= ? returning transactional, since",
        (wanted.account, int(wanted.transactional)),
    ).fetchall()
    for transactional, since in sorted(over):
        enter(db, now, "unparked", account=wanted.account, lists=not transactional, parked_ms=now - since)


def parked(db: Db, now: int) -> list[Parking]:
    rows = db.execute(
        "select account, transactional, since, until from parking where until > ? order by account, transactional",
        (now,),
    )
    return [Parking(account, not transactional, since, until) for account, transactional, since, until in rows]
