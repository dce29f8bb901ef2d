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
