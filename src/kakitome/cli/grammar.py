"""Every command and option. Only argparse is imported here: help must cost next to nothing."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter, _SubParsersAction
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Family = _SubParsersAction[ArgumentParser]

EPILOG = """\
exit codes: 0 done; 1 refused or failed; 2 wrong usage or configuration;
            3 done, but something needs a person (dead, unresolved)
"""


def grammar() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kakitome",
        description="Registered mail for services: what is handed in is written down, sent once, and can be asked for.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    _everywhere(parser, top=True)
    family = parser.add_subparsers(metavar="COMMAND", required=True)
    _running(family)
    _sending(family)
    _templates(family)
    _campaigns(family)
    _asking(family)
    _deciding(family)
    _suppressions(family)
    _ledger(family)
    return parser


def _everywhere(parser: ArgumentParser, top: bool = False) -> None:
    """Options that every command takes, before its name and behind it."""

    def default(value: object) -> object:
        return value if top else SUPPRESS

    parser.add_argument(
        "--config", metavar="FILE", default=default(None), help="a TOML file (default: KAKITOME_CONFIG, else none)"
    )
    parser.add_argument("--json", action="store_true", default=default(False), help="one JSON document on stdout")
    parser.add_argument("--debug", action="store_true", default=default(False), help="show where an error came from")


def _command(family: Family, name: str, run: str, help: str) -> ArgumentParser:
    parser = family.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    _everywhere(parser)
    parser.set_defaults(run=run)
    return parser


def _family(family: Family, name: str, help: str) -> Family:
    parser = family.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    _everywhere(parser)
    return parser.add_subparsers(metavar="COMMAND", required=True)


def _running(family: Family) -> None:
    serve = _command(family, "serve", "serve:serve", "API, pages and worker in one process")
    serve.add_argument("--address", metavar="HOST:PORT", help="default: [http] address, 127.0.0.1:8700")
    _command(family, "worker", "serve:worker", "send what is due, until told to stop")
    _command(family, "simulator", "main:misplaced", "a mail provider on this machine, to try and to test against")


def _sending(family: Family) -> None:
    send = _command(family, "send", "send:send", "hand in one mail")
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
    add("--var", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="for the template; repeatable")
    add("--attach", action="append", default=[], metavar="FILE", help="repeatable")
    add("--header", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="repeatable")
    add("--stream", default="transactional", metavar="NAME")
    add("--reference", metavar="TEXT", help="your own name for it")
    add("--idempotency-key", metavar="KEY", help="the same key and mail again: the same answer, one mail")
    add("--send-at", type=_moment, metavar="TIME", help="2026-12-01T09:00:00+09:00")
    add("--expires-at", type=_moment, metavar="TIME", help="not sent after that")
    status = _command(family, "status", "send:status", "what became of a mail")
    status.add_argument("id", metavar="ID", help="of a submission (sub_…), a message (msg_…), or the provider's")


def _templates(family: Family) -> None:
    templates = _family(family, "template", "put, show and try templates")
    put = _command(templates, "put", "template:put", "store a new version of a template")
    put.add_argument("name", metavar="NAME")
    put.add_argument("--from", dest="sender", metavar="MAILBOX", required=True)
    put.add_argument("--subject", required=True)
    markup = put.add_mutually_exclusive_group()
    markup.add_argument("--html", metavar="FILE")
    markup.add_argument("--mjml", metavar="FILE")
    put.add_argument("--text", metavar="FILE", help="default: derived from the html")
    put.add_argument(
        "--charset",
        choices=("utf-8", "iso-2022-jp"),
        default="utf-8",
        help="iso-2022-jp: for old readers; rows that it cannot hold go out in UTF-8",
    )
    get = _command(templates, "get", "template:get", "show the newest version of a template")
    get.add_argument("name", metavar="NAME")
    _command(templates, "list", "template:listing", "all templates")
    preview = _command(templates, "preview", "template:preview", "show what one row would get; sends nothing")
    preview.add_argument("name", metavar="NAME")
    preview.add_argument("--html", metavar="FILE", help="write the html here; - prints it")
    _row(preview)
    test = _command(templates, "test", "template:test", "send one row to me")
    test.add_argument("name", metavar="NAME")
    test.add_argument("--to", metavar="ME", required=True)
    test.add_argument("--stream", default="transactional", metavar="NAME")
    _row(test)


def _row(parser: ArgumentParser) -> None:
    parser.add_argument("--list", metavar="FILE", help="take the values from a list")
    parser.add_argument("--row", type=_count, default=1, metavar="N", help="its N-th row (default: the first)")
    parser.add_argument("--address-column", metavar="NAME")
    parser.add_argument("--var", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="repeatable")


def _campaigns(family: Family) -> None:
    campaigns = _family(family, "campaign", "send a template to a list")
    plan = _command(campaigns, "plan", "plan:plan", "what starting would do; sends nothing")
    start = _command(campaigns, "start", "start:start", "send; again: send what was not sent")
    for parser in (plan, start):
        add = parser.add_argument
        add("--list", metavar="FILE", required=True, help="CSV, its first row names the columns")
        add("--template", metavar="NAME", required=True)
        add("--name", metavar="NAME", help="the campaign's identity: one mail per address (default: the template's)")
        add("--stream", default="bulk", metavar="NAME")
        add("--address-column", metavar="NAME", help="default: the one called email, address, メール …")
        add("--send-at", type=_moment, metavar="TIME", help="not before; 2026-12-01T09:00:00+09:00")
        add("--rejects", metavar="FILE", help="where the invalid rows are written")
    start.add_argument("--detach", action="store_true", help="leave the sending to a running worker")
    for name, run, help in (
        ("status", "campaign:status", "the account of a campaign"),
        ("report", "campaign:report", "the account, and why what failed failed"),
        ("pause", "campaign:pause", "send nothing more until it is resumed"),
        ("resume", "campaign:resume", "go on"),
        ("cancel", "campaign:cancel", "withdraw all that was not sent"),
    ):
        parser = _command(campaigns, name, run, help)
        parser.add_argument("name", metavar="NAME")
        if name in ("pause", "resume", "cancel"):
            _who(parser)


def _asking(family: Family) -> None:
    explain = _command(family, "explain", "explain:explain", "why did this person (not) get it?")
    explain.add_argument("address", metavar="ADDRESS")
    _command(family, "unsent", "unsent:unsent", "what waits for a person, by cause, and the command for each")


def _deciding(family: Family) -> None:
    recover = _command(family, "recover", "unsent:recover", "send again what was given up")
    which = recover.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", action="append", default=[], metavar="ID", help="msg_… or sub_…; repeatable")
    which.add_argument("--cause", metavar="CAUSE", help="as `kakitome unsent` names it")
    which.add_argument("--campaign", metavar="NAME")
    recover.add_argument("--include-expired", action="store_true", help="also what was not sent in time")
    recover.add_argument("--dry-run", action="store_true", help="only say what would happen")
    recover.add_argument("--close", action="store_true", help="do not send: close it")
    _who(recover)
    doubts = _family(family, "doubt", "mail that may or may not have gone out")
    _command(doubts, "list", "unsent:doubts", "what nobody knows, and what is known about it")
    resolve = _command(doubts, "resolve", "unsent:resolve", "say what happens to a mail in doubt")
    resolve.add_argument("id", metavar="ID", nargs="+")
    resolve.add_argument("--as", dest="decision", choices=("sent", "resend", "closed"), required=True)
    _who(resolve, required=True)
    lanes = _family(family, "lane", "what was stopped")
    _command(lanes, "list", "unsent:lanes", "lanes and accounts that were stopped, and until when")
    resume = _command(lanes, "resume", "unsent:resume", "send through it again, now")
    resume.add_argument("gate", metavar="lane:NAME|account:NAME")
    _who(resume)


def _suppressions(family: Family) -> None:
    suppressions = _family(family, "suppression", "who is not written to")
    _command(suppressions, "list", "suppression:listing", "who, why, since when, by whom")
    add = _command(suppressions, "add", "suppression:add", "do not write to these any more")
    remove = _command(suppressions, "remove", "suppression:remove", "write to these again")
    take = _command(suppressions, "import", "suppression:take", "add all addresses of a file")
    take.add_argument("file", metavar="FILE", help="CSV with an address column; reason and note are read if there")
    take.add_argument("--format", choices=("csv",), default="csv")
    take.add_argument("--address-column", metavar="NAME")
    _command(suppressions, "export", "suppression:export", "all of them as CSV on stdout")
    for parser in (add, remove):
        parser.add_argument("address", metavar="ADDRESS", nargs="+")
    for parser in (add, take):
        parser.add_argument("--reason", default="manual", metavar="WORD")
    for parser in (add, remove, take):
        parser.add_argument("--stream", metavar="NAME", help="for this stream only (default: for all)")
        _who(parser)


def _ledger(family: Family) -> None:
    ledger = _family(family, "ledger", "look after the ledger")
    _command(ledger, "verify", "ledger:verify", "recount everything against the counters and the journal")
    release = _command(ledger, "release", "ledger:release", "let a ledger that was restored from a backup send again")
    _who(release, required=True)


def _who(parser: ArgumentParser, required: bool = False) -> None:
    parser.add_argument(
        "--who", metavar="NAME", required=required, help="who decides" + ("" if required else " (default: you)")
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="why")


def _told(read: Callable[[str], object]) -> Callable[[str], object]:
    def reading(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return reading


@_told
def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no offset; write {text}+09:00 or {text}Z")
    return at


@_told
def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return name, value


@_told
def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("rows are counted from 1")
    return number
