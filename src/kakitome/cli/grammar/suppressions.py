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
    take = command(suppressions, "import", "suppression_import:run", "add all addresses of a file")
    take.add_argument("file", metavar="FILE", help="CSV with an address column, or what the provider exports")
    take.add_argument("--format", choices=("csv", "ses", "sendgrid", "mandrill"), default="csv")
    take.add_argument("--address-column", metavar="NAME")
    command(suppressions, "export", "suppression:export", "all of them as CSV on stdout")
    sync = command(suppressions, "sync", "suppression_sync:run", "make our list and SES's own agree, both ways")
    sync.add_argument("--lane", metavar="NAME", help="a lane of the account (default: the only account)")
    for parser in (take, sync):
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    for parser in (add, remove):
        parser.add_argument("address", metavar="ADDRESS", nargs="+")
    for parser in (add, take):
        parser.add_argument("--reason", default="manual", metavar="WORD")
    for parser in (add, remove, take):
        parser.add_argument("--stream", metavar="NAME", help="for this stream only (default: for all)")
    for parser in (add, remove, take, sync):
        who(parser)
