"""A list that comes in rows, in a file that somebody touched: the recount finds it, and a restore holds it back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kakitome.ledgers.sqlite.connection import connect
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.testing.ledger_rows import A, B, expected, row, take
from kakitome.testing.ledger_world import World

HARM = {
    "update counter set n = n + 1 where name in ('read', 'missing')": {"letter: missing"},
    "update counter set n = n - 1 where name = 'missing'": {"letter: missing", "letter: rows read"},
    "delete from import_line where line = 2": {"letter: missing", "letter: duplicate"},
    "update import_line set verdict = 'invalid'": {"letter: duplicate", "letter: invalid"},
    "update import set expected = 6": {"letter: missing"},
}


@pytest.mark.parametrize("harm", HARM)
def test_the_recount_finds_it(harm: str, tmp_path: Path) -> None:
    """Each row is a message, a line that became none, or missing; and each such line is what was counted."""
    file = tmp_path / "ledger.db"

    async def run() -> None:
        ledger = SqliteLedger(file)
        world = World(ledger)
        run = await expected(world, 5)
        await take(world, run, row(0, A), row(1, B), row(2, A))
        assert await ledger.reads.verify() == []
        with connect(file) as db:
            db.execute(harm)
        assert {found.what for found in await ledger.reads.verify()} == HARM[harm]
        await ledger.close()

    asyncio.run(run())


def test_what_a_cancelled_list_lacks_stays_missing(tmp_path: Path) -> None:
    """The next opening says so, too: it is an account of what never came."""

    async def run() -> None:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        world = World(ledger)
        run = await expected(world, 3)
        await take(world, run, row(0, A))
        await world.move(run, "cancelled")
        await ledger.close()
        world.ledger = ledger = SqliteLedger(tmp_path / "ledger.db")
        assert await world.rows(run) == {"read": 3, "missing": 2, "sending": 1}
        assert await ledger.rows.close(run, "list-1", world.now) == 2
        assert await ledger.reads.verify() == []
        await ledger.close()

    asyncio.run(run())


def test_a_held_ledger_hands_no_rows_out(tmp_path: Path) -> None:
    """Restored from a backup it sends nothing before a person's word: rows that come, new or old, wait."""
    file = tmp_path / "ledger.db"

    async def run() -> None:
        ledger = SqliteLedger(file)
        world = World(ledger)
        run = await expected(world, 2)
        with connect(file) as db:
            db.execute("insert into meta values ('held', 'restored')")
        for _ in range(2):
            assert (await take(world, run, row(0, A), row(1, B))).claims == ()
        assert await world.rows(run) == {"read": 2, "queued": 2}
        await ledger.close()

    asyncio.run(run())
