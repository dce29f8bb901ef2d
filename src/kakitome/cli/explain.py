"""`explain`: why did this person (not) get it?"""

from __future__ import annotations

from argparse import Namespace

import msgspec

from kakitome.cli import session
from kakitome.cli.out import Out, exact, iso, plural
from kakitome.cli.standing import route_of
from kakitome.explain import SHOWN, Explanation
from kakitome.explain import explain as explaining


async def explain(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        told = await explaining(
            args.address, instance.ledger, instance.clock.now(), lambda run: route_of(instance, run)
        )
    if out.json:
        out.document(_document(told))
        return 0
    out.line(f"{told.verdict}\n{told.reason}")
    if told.history:
        more = f", the newest {SHOWN} of {plural(told.messages, 'mail')}" if told.messages > SHOWN else ""
        out.line(f"\nhistory{more}\n")
        rows = [(exact(line.at), line.message or "", line.what) for line in told.history]
        out.table(("", "", ""), rows)
    if told.advice:
        out.line("\nwhat to do\n")
        for one in told.advice:
            out.line(f"  {one}")
    return 0


def _document(told: Explanation) -> dict[str, object]:
    suppressions = [
        {
            "reason": s.reason,
            "scope": s.scope,
            "source": s.source,
            "who": s.who,
            "note": s.note,
            "at": iso(s.at),
        }
        for s in told.suppressions
    ]
    return {**msgspec.structs.asdict(told), "suppressions": suppressions}
