"""`ledger verify`: do the books agree? `ledger recount`: counters anew. `ledger release`: a restored one may send
again. `ledger prune`: a finished campaign's rows are thrown away."""

from __future__ import annotations

from argparse import Namespace

import msgspec

from kakitome.cli import session
from kakitome.cli.out import Out, number
from kakitome.config import milliseconds


async def verify(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        found = await instance.ledger.reads.verify()
    if out.json:
        out.document({"discrepancies": [msgspec.to_builtins(one) for one in found]})
    elif found:
        out.table(
            ("what", "recounted", "written"), [(d.what, number(d.expected), number(d.found)) for d in found], (1, 2)
        )
    else:
        out.line("The books agree: a recount of every message gives what the counters say.")
    return 1 if found else 0


async def recount(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        done = await instance.ledger.recount(instance.clock.now())
    if out.json:
        out.document(msgspec.to_builtins(done))
    else:
        out.line(f"{number(done.written)} documents of counters were wrong and are written anew.")
        if done.moving:
            out.line(f"{number(done.moving)} changed meanwhile and were left: recount again when less is sent.")
    return 1 if done.moving else 0


async def release(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        released = await instance.ledger.release(session.who(args), args.note, instance.clock.now())
    if out.json:
        out.document({"released": released})
    else:
        out.line("It sends again." if released else "It was not held.")
    return 0


async def prune(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        window = milliseconds(instance.config.retention.events, "retention.events")
        table = await instance.ledger.prune(args.campaign, session.who(args), window, instance.clock.now())
    if out.json:
        out.document({"campaign": args.campaign, "table": table})
    else:
        out.line(f"The table {table} is gone, with all rows of the campaign {args.campaign}.")
        out.line("Its account stays:")
        out.line(f"  {session.command(args, 'campaign', 'report', args.campaign)}")
    return 0
