"""Accepting: submissions become messages, in one write with their idempotency keys."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.errors import IdempotencyConflict, KakitomeError, NotFound
from kakitome.core.ids import MessageId, SubmissionId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Admitted, Submission
from kakitome.ledgers.sqlite.book import count, enter, next_ids
from kakitome.ledgers.sqlite.connection import Db, as_json, one


def admit(db: Db, submissions: Sequence[Submission], now: int) -> list[Admitted | KakitomeError]:
    db.execute("delete from idempotency where until <= ?", (now,))
    return [_admit(db, submission, now) for submission in submissions]


def _admit(db: Db, new: Submission, now: int) -> Admitted | KakitomeError:
    if new.key is not None and (known := _known(db, new)):
        return known
    if one(db, "select 1 from run where id = ?", new.run) is None:
        return NotFound(f"There is no run {new.run}.", "Hand the mail to a stream that the configuration names.")
    first = next_ids(db, len(new.messages) + 1, now)
    ids = [MessageId(first + 1 + k) for k in range(len(new.messages))]
    _insert(db, SubmissionId(first), ids, new, now)
    count(db, new.run, State.QUEUED.word, len(ids))
    count(db, new.run, "read", len(ids))
    enter(db, now, Cause.ACCEPTED, run=new.run, submission=first, ids=ids)
    return Admitted(SubmissionId(first), tuple(ids))


def _known(db: Db, new: Submission) -> Admitted | KakitomeError | None:
    row = db.execute(
        "select i.body_hash, s.id, s.messages from idempotency i join submission s on s.id = i.submission"
        " where key = ?",
        (new.key,),
    ).fetchone()
    if row is None:
        return None
    if row[0] != new.body_hash:
        return IdempotencyConflict(
            "This idempotency key was used before for another mail. Nothing was stored.",
            "Use a new key for a new mail; repeat the very same body to ask again about the first one.",
        )
    return Admitted(row[1], tuple(msgspec.json.decode(row[2])), fresh=False)


def _insert(db: Db, submission: SubmissionId, ids: Sequence[MessageId], new: Submission, now: int) -> None:
    db.execute(
        "insert into submission values (?, ?, ?, ?, ?, ?)",
        (submission, new.run, now, new.reference, new.content.decode(), as_json(ids)),
    )
    if new.key is not None:
        db.execute("insert into idempotency values (?, ?, ?, ?)", (new.key, new.body_hash, submission, new.key_until))
    items = as_json([(id, m.hash, m.address, m.pace) for id, m in zip(ids, new.messages, strict=True)])
    db.execute(
        "insert into message (id, run, state, due, expires, submission, pace)"
        " select value->>0, ?, 0, ?, ?, ?, value->>3 from json_each(?)",
        (new.run, max(new.due, now), new.expires, submission, items),
    )
    db.execute(
        "insert into row (message, run, hash, address) select value->>0, ?, value->>1, value->>2 from json_each(?)",
        (new.run, items),
    )
    db.execute("insert into addressee select value->>1, ?, value->>0 from json_each(?)", (new.run, items))
