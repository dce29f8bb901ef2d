"""The recount: what counters and states must agree on."""

from __future__ import annotations

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
        total += sum(counted.get((run, kind), 0) for kind in ("invalid", "duplicate", "already"))
        if (read := counted.get((run, "read"), 0)) != total:
            found.append(Discrepancy(f"{name}: rows read", total, read))
    return found + [Discrepancy(*each) for each in differences(db)]
