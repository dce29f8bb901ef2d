"""What the command line says of a campaign whose list comes in rows."""

from __future__ import annotations

import asyncio

from terminal import Terminal

from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.testing.ledger_rows import A, expected, row, take
from kakitome.testing.ledger_world import World


def test_the_account_says_what_is_missing(here: Terminal) -> None:
    """While rows may still come, and of what never came; `verify` finds nothing wrong."""

    async def play() -> None:
        ledger = SqliteLedger(here.folder / "data" / "ledger.db")
        world = World(ledger)
        await take(world, await expected(world, 3), row(0, A), worker=None)
        await ledger.close()

    asyncio.run(play())
    said = here.run("campaign", "status", "letter")
    assert said.code == 0
    assert "letter: running" in said.out
    [line] = [line for line in said.out.splitlines() if "missing" in line]
    assert line.split(maxsplit=2) == ["missing", "2", "rows of the list that have not come yet"]
    assert here.json("campaign", "status", "letter")["rows"]["missing"] == 2
    assert "0 sent, 1 cancelled, 2 of the list missing." in here.run("campaign", "cancel", "letter").out
    assert "never came" in here.run("campaign", "status", "letter").out
    assert here.run("ledger", "verify").code == 0
