"""A control that must fail: the worker that most systems have.

Take a row that is waiting, send it, mark it sent. Killed in between, it sends again; marked first, it would lose.
"""

from __future__ import annotations

import smtplib
import sqlite3
from email.message import EmailMessage
from pathlib import Path


def prepare(path: Path, n: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table mail (id integer primary key, sent integer not null default 0)")
        db.executemany("insert into mail (id) values (?)", [(k,) for k in range(1, n + 1)])


def live(path: Path, host: str, port: int) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    with smtplib.SMTP(host, port) as smtp:
        while rows := db.execute("select id from mail where not sent limit 50").fetchall():
            for (id,) in rows:
                mail = EmailMessage()
                mail["From"], mail["To"], mail["Subject"] = "a@example.com", f"u{id}@example.com", str(id)
                mail.set_content("x")
                smtp.send_message(mail)
            db.executemany("update mail set sent = 1 where id = ?", rows)
