"""What the hot statements look at: a batch's own rows, found by key, however many others there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from kakitome.core.policy import Policy
from kakitome.ledgers.sqlite import claims, reads, records, resolution, rows, runs, workers
from kakitome.ledgers.sqlite.connection import Db, connect, migrate
from kakitome.ports.messages import OUTCOMES
from kakitome.testing.ledger_world import START

LARGE = ("message", "m", "attempt", "a", "row", "r", "addressee", "event", "journal", "submission")
NAMES = [n for n in dir(claims) if isinstance(getattr(claims, n), str) and re.match(r"_[A-Z]+(_[A-Z]+)?$", n)]
HOT = {f"claims.{name}": getattr(claims, name) for name in NAMES if name != "_STAGE"} | {
    "runs._WANTED": runs._WANTED,
    **{f"rows.{name}": getattr(rows, name) for name in ("_JUDGED", "_NUMBERED", "_MESSAGES", "_RUNS")},
    "reads._ADDRESSED": f"{reads._VIEW} where {reads._ADDRESSED}",
    "resolution._LEASE_OVER": resolution._LEASE_OVER,
}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    db = connect(tmp_path / "ledger.db")
    migrate(db)
    run = runs.open_campaign(db, "letter", "bulk", Policy(), None, b"{}", None, START)
    runs.begin_import(db, run.id, "list", START)
    db.execute(runs._INCOMING)
    db.execute(claims._STAGE)
    db.execute(rows._TAKING)
    yield db
    db.close()


@pytest.mark.parametrize("name", sorted(HOT))
def test_no_hot_statement_walks_a_large_table(db: Db, name: str) -> None:
    """Every large table is searched by a key, or by an index that holds only what is open."""
    sql = HOT[name]
    parameters = {f"?{n}" for n in re.findall(r"\?(\d*)", sql)}
    plan = [row[3] for row in db.execute(f"explain query plan {sql}", ["1"] * len(parameters))]
    walked = [step for step in plan if re.match(rf"SCAN ({'|'.join(LARGE)})\b(?! USING INDEX message_lease)", step)]
    assert plan
    assert walked == [], plan


def test_what_is_claimable_is_found_by_the_run(db: Db) -> None:
    """A million paused rows in front cost a claim nothing: open rows are indexed by their run."""
    for sql in (claims._DUE, workers.NEXT_DUE, workers.RUNNABLE, workers.PACES):
        plan = _plan(db, sql)
        assert any("message_open (run=? AND pace=?" in step for step in plan), plan
        assert all("message_open (run=?" in step for step in plan if "message_open" in step), plan
        assert not any(re.match(r"SCAN (message|m)\b", step) for step in plan), plan


def test_the_paces_of_a_run_are_found_one_step_for_each(db: Db) -> None:
    """A million that wait are not walked to find the three paces among them: in SQLite's own steps."""
    run = db.execute("select id from run").fetchone()[0]
    db.execute(
        "with recursive n(x) as (select 1 union all select x + 1 from n where x < 20000)"
        " insert into message (id, run, state, due, pace) select x, ?, 0, x, iif(x % 2, 'docomo', iif(x % 3, '', 'au'))"
        " from n",
        (run,),
    )
    hundreds = count()
    db.set_progress_handler(lambda: next(hundreds) < 0, 100)
    assert workers.paces(db, run, 30_000) == ["", "au", "docomo"]
    assert workers.paces(db, run, 0) == []
    assert next(hundreds) < 20


def test_who_paused_a_run_is_found_by_the_run(db: Db) -> None:
    """However much else the journal has."""
    assert _plan(db, records.PAUSED) == ["SEARCH journal USING INDEX journal_paused (run=?)"]


def _plan(db: Db, sql: str) -> list[str]:
    parameters = {f"?{n}" for n in re.findall(r"\?(\d*)", sql)}
    return [row[3] for row in db.execute(f"explain query plan {sql}", [1] * len(parameters))]


def test_every_outcome_is_known_to_the_statement_that_settles(db: Db) -> None:
    """The lifecycle's rows that need the fence, and no others, are those that `settle` may take."""
    fenced = {row[0] for row in db.execute("select cause from move where fenced")}
    assert fenced == {cause.value for cause in OUTCOMES}
