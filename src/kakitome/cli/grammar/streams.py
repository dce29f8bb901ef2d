"""`stream …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, group, who

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def streams(commands: Family) -> None:
    streams = group(commands, "stream", "the streams of single mails")
    command(streams, "list", "stream:listing", "all streams, what is open, and what the guard says")
    for name, help in (("pause", "send no single mail of it until it is resumed"), ("resume", "go on")):
        parser = command(streams, name, f"stream:{name}", help)
        parser.add_argument("name", metavar="NAME")
        who(parser)
