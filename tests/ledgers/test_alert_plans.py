"""A look for alerts costs the same, however much mail waits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kakitome.core.alert import Facts, Finding, Kind
from kakitome.core.lifecycle import State
from kakitome.ledgers.sqlite import lookout
from kakitome.ledgers.sqlite.connection import Db, connect, migrate
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ledgers.sqlite.schema import ALERTS
from kakitome.testing.ledger_world import MINUTE, START, World

LOOKS = {"look": lookout.LOOK, "in hand": lookout.IN_HAND, "gave up": lookout.GAVE_UP, "waiting": lookout.WAITING}
LARGE = ("message", "counter", "c", "row", "attempt", "journal")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    db = connect(tmp_path / "ledger.db")
    migrate(db)
    yield db
    db.close()


def plan(db: Db, sql: str) -> list[str]:
    parameters = {f"?{n}" for n in re.findall(r"\?(\d*)", sql)}
    return [row[3] for row in db.execute(f"explain query plan {sql}", ["1"] * len(parameters))]


@pytest.mark.parametrize("name", sorted(LOOKS))
def test_no_look_walks_a_large_table(db: Db, name: str) -> None:
    """Only indexes of what is open are used, and none of them is sorted."""
    small = r"USING (COVERING )?INDEX (message_lease|counter_person)"
    steps = plan(db, LOOKS[name])
    assert [step for step in steps if re.match(rf"SCAN ({'|'.join(LARGE)})\b(?! {small})", step)] == [], steps
    assert not any("TEMP B-TREE" in step for step in steps if name == "look"), steps


def test_both_ends_of_what_waits_are_the_first_of_an_index(db: Db) -> None:
    """By the run, within what is queued; the counts need no row either."""
    steps = plan(db, lookout.LOOK)
    looks = [step for step in steps if " message " in f"{step} "]
    assert len(looks) == 4 and all("USING COVERING INDEX message_" in step for step in looks), steps
    assert any("message_open (run=? AND pace=?)" in step for step in looks), steps
    assert any("message_tried (run=?" in step for step in looks), steps
    counts = [step for step in plan(db, lookout.WAITING) if " message " in f"{step} "]
    assert len(counts) == 3 and all("COVERING" in step or "message_lease" in step for step in counts), counts


def test_the_journal_is_read_between_two_numbers(db: Db) -> None:
    """From the cursor on, and not further than was asked for."""
    for sql in (lookout.BEHIND, lookout.LAST):
        assert any("USING INTEGER PRIMARY KEY (rowid>?" in step for step in plan(db, sql)), plan(db, sql)


def test_sending_never_touches_the_index_of_what_came_back(db: Db) -> None:
    """A mail that goes at its first try is in it at no time, so alerts cost sending nothing."""
    db.execute("insert into message (id, run, state, due) values (1, 1, 0, 1)")
    for state, first in ((State.SENDING, 5), (State.SENT, 5)):
        db.execute("update message set state = ?, first_claimed = ?", (state, first))
        held = db.execute(
            "select count(*) from message indexed by message_tried where state = 0 and first_claimed is not null"
        ).fetchone()[0]
        assert held == 0


def test_a_ledger_that_is_older_begins_to_count_now(tmp_path: Path) -> None:
    """Its journal is not told again, and a list that has been running for long is not late because of it."""

    async def before() -> None:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        world = World(ledger)
        await world.campaign("a@example.jp")
        world.now += 60 * MINUTE
        await ledger.journal.note("guard_paused", {}, world.now)
        await ledger.close()

    async def after() -> None:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        [seen] = (await ledger.lookout.look(START + 61 * MINUTE)).runs
        assert (seen.since, seen.begun) == (START, START + 60 * MINUTE)
        assert (await ledger.lookout.news(100)).entries == ()
        await ledger.close()

    asyncio.run(before())
    forget_alerts(tmp_path / "ledger.db")
    asyncio.run(after())


def forget_alerts(path: Path) -> None:
    """The ledger as it was before it knew of alerts, brought to the new form again."""
    db = connect(path)
    for name in ("alert", "alert_telling", "alert_run"):
        db.execute(f"drop table {name}")
    for name in ("message_tried", "counter_person"):
        db.execute(f"drop index {name}")
    db.execute("delete from meta where key = 'alert_cursor'")
    db.execute(ALERTS)
    db.close()


def test_two_processes_raise_one_alert(tmp_path: Path) -> None:
    """Two ledgers on one file, as two workers have them: one raises and one takes each telling."""

    async def run() -> None:
        ledgers = [SqliteLedger(tmp_path / "ledger.db") for _ in range(2)]
        finding = Finding(key="late:x", kind=Kind.LATE, since=0, facts=Facts())
        raised = await asyncio.gather(*(one.alerts.raise_(finding, ["slack"], START, START) for one in ledgers * 5))
        taken = await asyncio.gather(*(one.alerts.take(["slack"], 10, START) for one in ledgers * 5))
        for one in ledgers:
            await one.close()
        assert len([alert for alert in raised if alert is not None]) == 1
        assert sum(map(len, taken)) == 1

    asyncio.run(run())
