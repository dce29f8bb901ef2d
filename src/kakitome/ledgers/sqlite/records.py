"""Templates, suppressions, journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from kakitome.core.errors import NotFound
from kakitome.core.ids import MessageId, RunId
from kakitome.core.message import Entry
from kakitome.ledgers.sqlite.book import enter
from kakitome.ledgers.sqlite.connection import Db, as_json
from kakitome.ports.records import Released, Suppression, TemplateVersion

_TEMPLATE = "select id, name, version, digest, source, created from template"
_SUPPRESSION = "select hash, address, reason, scope, source, who, note, at from suppression"
_RELEASED = (
    "select hash, address, reason, scope, source, who, note, at, released_by, released_note, released_at from released"
)


def _template(row: tuple[object, ...]) -> TemplateVersion:
    id, name, version, digest, source, created = row
    return TemplateVersion(id, name, version, digest, str(source).encode(), created)  # type: ignore[arg-type]


def put_template(db: Db, name: str, digest: str, source: bytes, now: int) -> TemplateVersion:
    newest = get_template(db, name)
    if newest is not None and newest.digest == digest:
        return newest
    db.execute(
        "insert into template (name, version, digest, source, created) values (?, ?, ?, ?, ?)",
        (name, newest.version + 1 if newest else 1, digest, source.decode(), now),
    )
    put = get_template(db, name)
    assert put is not None
    enter(db, now, "template_put", name=name, version=put.version, digest=digest)
    return put


def get_template(db: Db, name: str) -> TemplateVersion | None:
    row = db.execute(f"{_TEMPLATE} where name = ? order by version desc limit 1", (name,)).fetchone()
    return None if row is None else _template(row)


def pinned_template(db: Db, id: int) -> TemplateVersion:
    row = db.execute(f"{_TEMPLATE} where id = ?", (id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no template version {id}.")
    return _template(row)


def all_templates(db: Db) -> list[TemplateVersion]:
    rows = db.execute(
        f"{_TEMPLATE} t where version = (select max(version) from template where name = t.name) order by name"
    )
    return [_template(row) for row in rows]


def suppress(db: Db, suppressions: Sequence[Suppression], now: int) -> int:
    added = 0
    for s in suppressions:
        rows = db.execute(
            "insert or ignore into suppression values (?, ?, ?, ?, ?, ?, ?, ?) returning hash",
            (s.hash, s.scope, s.address, s.reason, s.source, s.who, s.note, s.at or now),
        ).fetchall()
        if rows:
            added += 1
            enter(
                db,
                now,
                "suppressed_address",
                address_hash=s.hash,
                scope=s.scope,
                reason=s.reason,
                who=s.who,
                source=s.source,
                note=s.note,
            )
    return added


def unsuppress(db: Db, hash: int, scope: str, who: str, note: str, now: int) -> bool:
    """A person's removal, which is remembered."""
    db.execute(
        "insert or replace into released select hash, scope, address, reason, source, who, note, at, ?3, ?4, ?5"
        " from suppression where hash = ?1 and scope = ?2",
        (hash, scope, who, note, now),
    )
    return drop(db, hash, scope, who, note, now)


def drop(db: Db, hash: int, scope: str, who: str, note: str, now: int) -> bool:
    rows = db.execute("delete from suppression where hash = ? and scope = ? returning reason", (hash, scope)).fetchall()
    if rows:
        enter(db, now, "released_address", address_hash=hash, scope=scope, reason=rows[0][0], who=who, note=note)
    return bool(rows)


def list_released(db: Db, after: str, n: int) -> list[Released]:
    last = f"(select address from released where address > ?1 order by address limit 1 offset {max(0, n - 1)})"
    rows = db.execute(
        f"{_RELEASED} where address > ?1 and address <= coalesce({last}, address) order by address, hash, scope",
        (after,),
    )
    return [_released(row) for row in rows] if n > 0 else []


def find_released(db: Db, hashes: Sequence[int]) -> list[Released]:
    where = "where hash in (select value from json_each(?)) order by hash, scope"
    return [_released(row) for row in db.execute(f"{_RELEASED} {where}", (as_json(hashes),))]


def _released(row: Any) -> Released:
    return Released(was=_suppression(row[:8]), who=row[8], note=row[9], at=row[10])


def _suppression(row: Any) -> Suppression:
    hash, address, reason, scope, source, who, note, at = row
    return Suppression(hash=hash, address=address, reason=reason, scope=scope, source=source, who=who, note=note, at=at)


def find_suppressions(db: Db, hashes: Sequence[int]) -> list[Suppression]:
    return [
        _suppression(row)
        for row in db.execute(f"{_SUPPRESSION} where hash in (select value from json_each(?))", (as_json(hashes),))
    ]


def list_suppressions(db: Db, after: str, n: int) -> list[Suppression]:
    last = f"(select address from suppression where address > ?1 order by address limit 1 offset {max(0, n - 1)})"
    rows = db.execute(
        f"{_SUPPRESSION} where address > ?1 and address <= coalesce({last}, address) order by address, hash, scope",
        (after,),
    )
    return [_suppression(row) for row in rows] if n > 0 else []


def _entry(row: tuple[object, ...]) -> Entry:
    seq, at, kind, run, message, data = row
    return Entry(seq=seq, at=at, kind=kind, run=run, message=message, data=msgspec.json.decode(str(data)))  # type: ignore[arg-type]


def read_journal(db: Db, after: int, n: int) -> list[Entry]:
    return [_entry(row) for row in db.execute("select * from journal where seq > ? order by seq limit ?", (after, n))]


def journal_of(db: Db, message: MessageId) -> list[Entry]:
    return [_entry(row) for row in db.execute("select * from journal where message = ? order by seq", (message,))]


def paused(db: Db, run: RunId) -> Entry | None:
    row = db.execute(PAUSED, (run,)).fetchone()
    return None if row is None else _entry(row)


# Through an index of its own (`journal_paused`), which SQLite takes only for a condition in the same words.
PAUSED = """
select * from journal where run = ? and kind in ('campaign_paused', 'guard_paused') order by seq desc limit 1
"""
