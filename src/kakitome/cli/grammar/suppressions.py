"""`suppression …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, group, who

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def suppressions(commands: Family) -> None:
    suppressions = group(commands, "suppression", "who is not written to")
    command(suppressions, "list", "suppression:listing", "who, why, since when, by whom")
    add = command(suppressions, "add", "suppression:add", "do not write to these any more")
    remove = command(suppressions, "remove", "suppression:remove", "write to these again")
    take = command(suppressions, "import", "suppression:take", "add all addresses of a file")
    take.add_argument("file", metavar="FILE", help="CSV with an address column; reason and note are read if there")
    take.add_argument("--format", choices=("csv",), default="csv")
    take.add_argument("--address-column", metavar="NAME")
    command(suppressions, "export", "suppression:export", "all of them as CSV on stdout")
    for parser in (add, remove):
        parser.add_argument("address", metavar="ADDRESS", nargs="+")
    for parser in (add, take):
        parser.add_argument("--reason", default="manual", metavar="WORD")
    for parser in (add, remove, take):
        parser.add_argument("--stream", metavar="NAME", help="for this stream only (default: for all)")
        who(parser)
