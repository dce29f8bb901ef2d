"""What a person decides: `recover`, `doubt …`, `lane …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, group, who

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def deciding(commands: Family) -> None:
    recover = command(commands, "recover", "unsent:recover", "send again what was given up")
    which = recover.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", action="append", default=[], metavar="ID", help="msg_… or sub_…; repeatable")
    which.add_argument("--cause", metavar="CAUSE", help="as `kakitome unsent` names it")
    which.add_argument("--campaign", metavar="NAME")
    recover.add_argument("--include-expired", action="store_true", help="also what was not sent in time")
    recover.add_argument("--dry-run", action="store_true", help="only say what would happen")
    recover.add_argument("--close", action="store_true", help="do not send: close it")
    who(recover)
    doubts = group(commands, "doubt", "mail that may or may not have gone out")
    command(doubts, "list", "unsent:doubts", "what nobody knows, and what is known about it")
    resolve = command(doubts, "resolve", "unsent:resolve", "say what happens to a mail in doubt")
    resolve.add_argument("id", metavar="ID", nargs="+")
    resolve.add_argument("--as", dest="decision", choices=("sent", "resend", "closed"), required=True)
    who(resolve, required=True)
    lanes = group(commands, "lane", "what was stopped")
    command(lanes, "list", "unsent:lanes", "lanes and accounts that were stopped, and until when")
    resume = command(lanes, "resume", "unsent:resume", "send through it again, now")
    resume.add_argument("gate", metavar="lane:NAME|account:NAME")
    who(resume)
