"""What people and pages ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kakitome.core.ids import MessageId, RunId, SubmissionId, given_at
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import AttemptView, MessageView
from kakitome.ledgers.sqlite.connection import Db, as_json
from kakitome.ports.reads import DELIVERY, ROWS, Search

_VIEW = """
select m.id, m.run, run.name, run.stream, run.campaign, m.submission, r.address, r.line, m.state, m.due, m.attempts,
  m.fence, m.first_claimed, m.expires, m.copies_possible, coalesce(d.folded, '{}'), s.reference
from message m join run on run.id = m.run left join row r on r.message = m.id
left join delivery d on d.message = m.id left join submission s on s.id = m.submission
"""


def _views(rows: Any) -> list[MessageView]:
    return [
        MessageView(
            id=r[0],
            accepted=given_at(r[0]),
            run=r[1],
            run_name=r[2],
            stream=r[3],
            campaign=bool(r[4]),
            submission=r[5],
            address=r[6],
            line=r[7],
            state=State(r[8]),
            due=r[9],
            attempts=r[10],
            fence=r[11],
            first_claimed=r[12],
            expires=r[13],
            copies_possible=bool(r[14]),
            delivery=r[15].encode(),
            reference=r[16],
        )
        for r in rows
    ]


def messages(db: Db, ids: Sequence[MessageId]) -> list[MessageView]:
    return _views(db.execute(f"{_VIEW} where m.id in (select value from json_each(?)) order by m.id", (as_json(ids),)))


def submission(db: Db, id: SubmissionId) -> list[MessageView]:
    # A submission's messages have the ids behind its own: at most 50, found without an index of their own.
    return _views(db.execute(f"{_VIEW} where m.id between ?1 and ?1 + 1000 and m.submission = ?1 order by m.id", (id,)))


_ADDRESSED = """m.id in (with asked(hash) as (values (?)) select message from addressee join asked using (hash)
  union all select message from addressee_new join asked using (hash))"""


def search(db: Db, wanted: Search) -> list[MessageView]:
    terms: list[tuple[str, object]] = [("m.id > ?", wanted.after)]
    if wanted.run is not None:
        terms.append(("m.run = ?", wanted.run))
    if wanted.states:
        terms.append(("m.state in (select value from json_each(?))", as_json(wanted.states)))
    if wanted.hash is not None:
        terms.append((_ADDRESSED, wanted.hash))
    if wanted.reference is not None:
        terms.append(("s.reference = ?", wanted.reference))
    if wanted.delivery is not None:
        terms.append(("d.word = ?", wanted.delivery))
    if wanted.provider_id is not None:
        terms.append(("m.id in (select message from attempt where provider_id = ?)", wanted.provider_id))
    where = " and ".join(term for term, _ in terms)
    return _views(
        db.execute(f"{_VIEW} where {where} order by m.id limit ?", (*(value for _, value in terms), wanted.n))
    )


def attempts(db: Db, ids: Sequence[MessageId]) -> list[AttemptView]:
    rows = db.execute(
        "select message, fence, worker, lane, begun, settled, proved, cause, provider_id, coalesce(outcome, 'null')"
        " from attempt where message in (select value from json_each(?)) order by message, fence",
        (as_json(ids),),
    )
    return [
        AttemptView(
            message=r[0],
            fence=r[1],
            worker=r[2],
            lane=r[3],
            begun=r[4],
            settled=r[5],
            proved=r[6],
            cause=None if r[7] is None else Cause(r[7]),
            provider_id=r[8],
            outcome=r[9].encode(),
        )
        for r in rows
    ]


def rows(db: Db, run: RunId) -> dict[str, int]:
    counted: dict[str, int] = dict(db.execute("select name, n from counter where run = ?", (run,)).fetchall())
    return {name: counted.get(name, 0) for name in ROWS}


def delivery(db: Db, run: RunId) -> dict[str, int]:
    counted: dict[str, int] = dict(db.execute("select name, n from counter where run = ?", (run,)).fetchall())
    return {name: counted.get(f"delivery:{name}", 0) for name in DELIVERY}
