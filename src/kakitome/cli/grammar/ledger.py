"""`ledger …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, group, who

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def ledger(commands: Family) -> None:
    ledger = group(commands, "ledger", "look after the ledger")
    command(ledger, "verify", "ledger:verify", "recount everything against the counters and the journal")
    release = command(ledger, "release", "ledger:release", "let a ledger that was restored from a backup send again")
    who(release, required=True)
