"""`alerts …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def alerts(commands: Family) -> None:
    alone = command(commands, "alerts", "alerts:listing", "what is wrong now and was lately, and who was told")
    family = alone.add_subparsers(metavar="COMMAND")
    command(family, "test", "alerts:test", "send a test message to every channel, and say what answered")
    watch = command(family, "watch", "alerts:watch", "look and tell, where no worker may be alive to do it")
    watch.add_argument("--once", action="store_true", help="look once and end, for a timer")
