"""`campaign …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command, group, here, moment, who

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def campaigns(commands: Family) -> None:
    campaigns = group(commands, "campaign", "send a template to a list")
    plan = command(campaigns, "plan", "plan:plan", "what starting would do; sends nothing")
    start = command(campaigns, "start", "start:start", "send; again: send what was not sent")
    for parser in (plan, start):
        add = parser.add_argument
        add("--list", metavar="FILE", required=True, help="CSV, or s3://BUCKET/KEY; its first row names the columns")
        add("--template", metavar="NAME", required=True)
        add("--name", metavar="NAME", help="the campaign's identity: one mail per address (default: the template's)")
        add("--stream", default="bulk", metavar="NAME")
        add("--address-column", metavar="NAME", help="default: the one called email, address, メール …")
        add("--send-at", type=moment, metavar="TIME", help="not before; 2026-12-01T09:00:00+09:00")
        add("--rejects", metavar="FILE", type=here, help="where the invalid rows are written")
    start.add_argument("--detach", action="store_true", help="leave the sending to a running worker")
    for name, run, help in (
        ("status", "campaign:status", "the account of a campaign"),
        ("report", "campaign:report", "the account, and why what failed failed"),
        ("pause", "campaign:pause", "send nothing more until it is resumed"),
        ("resume", "campaign:resume", "go on"),
        ("cancel", "campaign:cancel", "withdraw all that was not sent"),
    ):
        parser = command(campaigns, name, run, help)
        parser.add_argument("name", metavar="NAME")
        if name in ("pause", "resume", "cancel"):
            who(parser)
