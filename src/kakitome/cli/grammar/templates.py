"""`template …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, group, row

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def templates(commands: Family) -> None:
    templates = group(commands, "template", "put, show and try templates")
    put = command(templates, "put", "template:put", "store a new version of a template")
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
    get = command(templates, "get", "template:get", "show the newest version of a template")
    get.add_argument("name", metavar="NAME")
    command(templates, "list", "template:listing", "all templates")
    preview = command(templates, "preview", "template:preview", "show what one row would get; sends nothing")
    preview.add_argument("name", metavar="NAME")
    preview.add_argument("--html", metavar="FILE", help="write the html here; - prints it")
    row(preview)
    test = command(templates, "test", "template:test", "send one row to me")
    test.add_argument("name", metavar="NAME")
    test.add_argument("--to", metavar="ME", required=True)
    test.add_argument("--stream", default="transactional", metavar="NAME")
    row(test)
