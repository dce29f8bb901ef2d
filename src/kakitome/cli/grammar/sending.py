"""`send` and `status`."""

from __future__ import annotations

from argparse import SUPPRESS
from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, moment, pair

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def sending(commands: Family) -> None:
    send = command(commands, "send", "send:send", "hand in one mail")
    add = send.add_argument
    add("--from", dest="sender", metavar="MAILBOX")
    add("--to", action="append", default=[], metavar="MAILBOX", required=True, help="repeatable, as --cc and --bcc")
    add("--cc", action="append", default=[], metavar="MAILBOX", help=SUPPRESS)
    add("--bcc", action="append", default=[], metavar="MAILBOX", help=SUPPRESS)
    add("--reply-to", action="append", default=[], metavar="MAILBOX")
    add("--subject")
    add("--text")
    add("--html")
    add("--template", metavar="NAME", help="instead of subject, text and html")
    add("--var", type=pair, action="append", default=[], metavar="NAME=VALUE", help="for the template; repeatable")
    add("--attach", action="append", default=[], metavar="FILE", help="repeatable")
    add("--header", type=pair, action="append", default=[], metavar="NAME=VALUE", help="repeatable")
    add("--stream", default="transactional", metavar="NAME")
    add("--reference", metavar="TEXT", help="your own name for it")
    add("--idempotency-key", metavar="KEY", help="the same key and mail again: the same answer, one mail")
    add("--send-at", type=moment, metavar="TIME", help="2026-12-01T09:00:00+09:00")
    add("--expires-at", type=moment, metavar="TIME", help="not sent after that")
    status = command(commands, "status", "send:status", "what became of a mail")
    status.add_argument("id", metavar="ID", help="of a submission (sub_…), a message (msg_…), or the provider's")
