"""The recount: what counters and states must agree on."""

from __future__ import annotations

from collections.abc import Mapping

from kakitome.core.lifecycle import State
from kakitome.ledgers.sqlite.connection import Db, one
from kakitome.ledgers.sqlite.counting import differences
from kakitome.ports.reads import Discrepancy

_IMPOSSIBLE = {
    "messages that are sent without an accepted or proved attempt": """
        select count(*) from message m where state = 2 and not exists (select 1 from attempt a
          where a.message = m.id and (a.cause = 'provider_accepted' or a.proved is not null))
          and not exists (select 1 from journal j where j.message = m.id and j.kind = 'person_sent')""",
    "messages in flight without their attempt": """
        select count(*) from message m where state in (1, 3) and not exists (select 1 from attempt a
          where a.message = m.id and a.fence = m.fence)""",
    "messages without a row": """
        select count(*) from message m where not exists (select 1 from row r where r.message = m.id)""",
    "messages that their address does not find": """
        select (select count(*) from row) - (select count(*) from addressee) - (select count(*) from addressee_new)""",
    "messages claimed by nobody": "select count(*) from message where state = 1 and (worker is null or lease is null)",
}


def verify(db: Db) -> list[Discrepancy]:
    found = [Discrepancy(what, 0, n) for what, sql in _IMPOSSIBLE.items() if (n := one(db, sql))]
    counted: dict[tuple[int, str], int] = {
        (run, name): n for run, name, n in db.execute("select run, name, n from counter")
    }
    recount: dict[tuple[int, int], int] = {
        (run, state): n for run, state, n in db.execute("select run, state, count(*) from message group by run, state")
    }
    for run, name in db.execute("select id, name from run").fetchall():
        total = 0
        for state in State:
            counter = counted.get((run, state.word), 0)
            if state is State.QUEUED:
                counter += counted.get((run, "importing"), 0)
            there = recount.get((run, state), 0)
            total += there
            if counter != there:
                found.append(Discrepancy(f"{name}: {state.word}", there, counter))
        total += sum(counted.get((run, kind), 0) for kind in ("invalid", "duplicate", "already", "missing"))
        if (read := counted.get((run, "read"), 0)) != total:
            found.append(Discrepancy(f"{name}: rows read", total, read))
    found += expected(db, counted)
    return found + [Discrepancy(*each) for each in differences(db)]


_MISSING = """
select run.id, run.name, sum(i.expected - (select count(*) from import_line l where l.import = i.id)
  - coalesce(there.n, 0))
from import i join run on run.id = i.run
left join (select import, count(*) as n from row
  where import in (select id from import where expected is not null) group by import) there on there.import = i.id
where i.expected is not null group by run.id
"""
# Where a list was taken in as a whole, nothing says which of its lines became no message.
_LINES = """
select run.id, run.name, kind.value, (select count(*) from import_line l join import i on i.id = l.import
  where i.run = run.id and l.verdict = kind.value)
from run join json_each('["invalid", "duplicate", "already"]') kind
where exists (select 1 from import where run = run.id and expected is not null)
  and not exists (select 1 from import where run = run.id and expected is null)
"""


def expected(db: Db, counted: Mapping[tuple[int, str], int]) -> list[Discrepancy]:
    """Rows that come while their campaign runs: each is a message, a line that became none, or missing."""
    anew = [(run, name, "missing", n) for run, name, n in db.execute(_MISSING)]
    anew += db.execute(_LINES).fetchall()
    return [
        Discrepancy(f"{name}: {kind}", n, there)
        for run, name, kind, n in anew
        if (there := counted.get((run, kind), 0)) != n
    ]
