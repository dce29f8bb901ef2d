"""What is only asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, days

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def asking(commands: Family) -> None:
    explain = command(commands, "explain", "explain:explain", "why did this person (not) get it?")
    explain.add_argument("address", metavar="ADDRESS")
    command(commands, "unsent", "unsent:unsent", "what waits for a person, by cause, and the command for each")
    command(commands, "quota", "quota:quota", "what each account may send, and what is left of it")
    statistics = command(commands, "statistics", "statistics:statistics", "what was sent, what became of it, its cost")
    which = statistics.add_mutually_exclusive_group()
    which.add_argument("--account", metavar="NAME", help="by quarters of an hour, beside the provider's (default: all)")
    which.add_argument("--stream", metavar="NAME", help="rates of a stream and its campaigns")
    which.add_argument("--campaign", metavar="NAME", help="rates of a campaign")
    which.add_argument("--cost", action="store_true", help="what the accounts cost")
    statistics.add_argument("--domain", metavar="DOMAIN", help="rates by recipient domain; with --stream or --campaign")
    statistics.add_argument("--days", type=days, default=14, metavar="N", help="how far back (default: 14)")
