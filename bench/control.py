"""What one writes without thinking about it: a loop, smtplib, `EmailMessage`, a status column, a commit a mail.

It is as durable as the ledger (WAL, synchronous=FULL), and keeps none of its promises: what was on its way when it is
killed goes out twice.
"""

from __future__ import annotations

import smtplib
import sqlite3
import time
from email.message import EmailMessage
from pathlib import Path

from stage import CITIES, HTML, TEXT


def prepare(path: Path, rows: int) -> None:
    db = _opened(path)
    db.execute("create table mail (id integer primary key, address text, name text, city text, sent text)")
    mails = ((f"reader.{k}@mail{k % 997}.example.jp", f"髙橋 {k}", CITIES[k % len(CITIES)]) for k in range(rows))
    db.executemany("insert into mail (address, name, city) values (?, ?, ?)", mails)
    db.commit()
    db.close()


def send(path: Path, server: str) -> float:
    """Send all over one connection. Seconds."""
    host, _, port = server.rpartition(":")
    db, began = _opened(path), time.perf_counter()
    with smtplib.SMTP(host, int(port)) as smtp:
        for id, address, name, city in db.execute("select id, address, name, city from mail").fetchall():
            smtp.send_message(_mail(id, address, name, city))
            db.execute("update mail set sent = 'yes' where id = ?", (id,))
            db.commit()
    db.close()
    return time.perf_counter() - began


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    return db


def _mail(id: int, address: str, name: str, city: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "かきとめ舎 <letters@example.com>"
    mail["To"] = address
    mail["Subject"] = f"{name}様へ・{city}の冬の便り"
    mail.set_content(_filled(TEXT, id, name, city))
    mail.add_alternative(_filled(HTML, id, name, city), subtype="html")
    return mail


def _filled(template: str, id: int, name: str, city: str) -> str:
    values = {"氏名": name, "city": city, "number": str(id * 7)}
    for key, value in values.items():
        template = template.replace(f"{{{{ {key} }}}}", value)
    return template
