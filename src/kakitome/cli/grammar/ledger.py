"""`ledger …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, group, who

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def ledger(commands: Family) -> None:
    ledger = group(commands, "ledger", "look after the ledger")
    command(ledger, "verify", "ledger:verify", "recount everything against the counters and the journal")
    command(
        ledger, "recount", "ledger:recount", "counters anew from every message, where a part of the stream was lost"
    )
    release = command(ledger, "release", "ledger:release", "let a ledger that was restored from a backup send again")
    who(release, required=True)
    prune = command(ledger, "prune", "ledger:prune", "throw away a finished campaign's rows; its account stays")
    prune.add_argument("--campaign", metavar="NAME", required=True)
    prune.add_argument("--who", metavar="NAME", help="who decides (default: you)")
