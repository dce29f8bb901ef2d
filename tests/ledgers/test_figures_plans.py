"""What figures look at: counters found by key, however many messages and events there are."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from kakitome.core.event import EventKind
from kakitome.core.lifecycle import Cause
from kakitome.core.statistics import Totals
from kakitome.ledgers.sqlite import counting, figures
from kakitome.ledgers.sqlite.connection import Db, connect, migrate
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.testing.ledger_world import World

LARGE = "message|m|attempt|a|row|r|event|delivery|d|touched|t|journal|tally|quarter"
READS = {name: getattr(figures, name) for name in ("TOTAL", "DOMAINS", "DOMAIN", "LINKS", "MACHINES")}
READS |= {name: getattr(figures, name) for name in ("TIMELY", "TIMELY_OF")}
FOLDS = {"known": counting._KNOWN, "add": counting._ADD, "add timely": counting._ADD_TIMELY}


def plan(db: Db, sql: str) -> list[str]:
    parameters = {f"?{n}" for n in re.findall(r"\?(\d*)", sql)}
    return [row[3] for row in db.execute(f"explain query plan {sql}", ["[1]"] * len(parameters))]


@pytest.mark.parametrize("name", sorted(READS | FOLDS))
def test_no_figure_walks_a_large_table(tmp_path: Path, name: str) -> None:
    """Reports search counters by run or by time, and read no message and no event; counting finds its own by key."""
    db = connect(tmp_path / "ledger.db")
    migrate(db)
    steps = plan(db, (READS | FOLDS)[name])
    assert steps
    assert [step for step in steps if re.match(rf"SCAN ({LARGE})\b", step)] == []
    if name in READS:
        assert all(re.search(r"\b(tally|quarter) USING|json_each|B-TREE|LIST SUBQUERY|CO-ROUTINE", s) for s in steps), (
            steps
        )
    db.close()


def test_a_ledger_that_is_older_than_its_figures_is_counted_once(tmp_path: Path) -> None:
    """The first events that come find what was there before them; a second look adds nothing."""
    path = tmp_path / "ledger.db"

    async def before_and_after() -> None:
        w = World(SqliteLedger(path))
        one = await w.one()
        await w.settle(one, Cause.PROVIDER_ACCEPTED, "p")
        await w.fold(w.event(EventKind.DELIVERED, one), w.event(EventKind.CLICKED, one, link="https://a/"))
        await w.ledger.close()
        db = connect(path)
        for table in ("tally", "touched", "quarter"):
            db.execute(f"delete from {table} where {'name' if table == 'quarter' else '1'} is not 'accepted'")
        db.execute("delete from meta where key = 'figures'")
        db.close()
        w.ledger = SqliteLedger(path)
        await w.fold(w.event(EventKind.CLICKED, one, link="https://b/"))
        await w.fold(w.event(EventKind.OPENED, one))
        assert await w.ledger.figures.totals([one.run]) == Totals(
            heard=1, delivered=1, machine_opened=0, opened=1, machine_clicked=1
        )
        await w.balance()
        await w.ledger.close()

    asyncio.run(before_and_after())


def test_a_counter_that_is_wrong_is_found(tmp_path: Path) -> None:
    """`ledger verify` counts figures anew, those of messages and those of quarters of an hour."""
    path = tmp_path / "ledger.db"

    async def harmed(sql: str) -> list[str]:
        w = World(SqliteLedger(path))
        db = connect(path)
        db.execute(sql)
        db.close()
        found = [d.what for d in await w.ledger.reads.verify()]
        await w.ledger.close()
        return found

    async def filled() -> None:
        w = World(SqliteLedger(path))
        one = await w.one()
        await w.settle(one, Cause.PROVIDER_ACCEPTED, "p")
        await w.fold(w.event(EventKind.DELIVERED, one))
        await w.balance()
        await w.ledger.close()

    asyncio.run(filled())
    assert asyncio.run(harmed("update tally set n = n + 1 where scope = 'domain' and name = 'delivered'")) == [
        "stream:booking: figure domain example.jp delivered"
    ]
    assert asyncio.run(harmed("delete from tally where scope = 'domain'"))[0].startswith(
        "stream:booking: figure domain"
    )
    assert "stream:booking: accepted by ses in a quarter" in asyncio.run(
        harmed("delete from quarter where name = 'accepted'")
    )
