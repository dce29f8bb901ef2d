"""A service as its owners would write it: what it must know of mail is the id, in a table of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from kakitome import Client


class Shop:
    """Confirms orders by mail, and says what became of a confirmation."""

    def __init__(self, database: Path, kakitome: Client) -> None:
        self._database = database
        self._kakitome = kakitome
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("create table confirmation (number integer primary key, mail text not null) strict")

    def order(self, number: int, customer: str, key: str = "", before_storing: Callable[[str], None] = id) -> str:
        """The id of the confirmation. Whatever breaks off here is done again with the same key, and no mail goes
        twice. `before_storing` is where this service may be slow."""
        sent = self._kakitome.send(
            to=customer,
            subject=f"Your order {number}",
            text=f"Thank you! Order {number} leaves our house tomorrow.\n",
            stream="orders",
            idempotency_key=key or f"order/{number}",
        )
        before_storing(sent.id)
        with closing(sqlite3.connect(self._database)) as db, db:
            db.execute("insert or replace into confirmation values (?, ?)", (number, sent.id))
        return sent.id

    def confirmation(self, number: int) -> str:
        """One word: sent, delivered, bounced, suppressed …"""
        with closing(sqlite3.connect(self._database)) as db:
            (id,) = db.execute("select mail from confirmation where number = ?", (number,)).fetchone()
        return self._kakitome.status(id).messages[0].status
