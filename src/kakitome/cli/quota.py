"""`quota`: what each account may send, and what is left of it."""

from __future__ import annotations

from argparse import Namespace

from kakitome import statistics as verb
from kakitome.cli import session
from kakitome.cli.out import Out, iso, local, number
from kakitome.ports.accounts import Parking


async def quota(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        lanes, now = instance.lanes.values(), instance.clock.now()
        found = await verb.quotas(instance.ledger, lanes, instance.followed(), now)
        parked = await instance.ledger.accounts.parked(now)
    out.document({"accounts": [_quota(one, parked) for one in found]}) if out.json else _show(found, parked, out)
    return 0


def _quota(one: verb.Quota, parked: list[Parking]) -> dict[str, object]:
    return {
        "account": one.account,
        "lanes": one.lanes,
        "maximum": one.maximum,
        "sent": one.sent,
        "ours": one.ours,
        "provider": one.theirs,
        "remaining": one.remaining,
        "rate": one.rate,
        "configured": one.configured,
        "sandbox": one.sandbox,
        "sending_enabled": one.sending_enabled,
        "read_at": iso(one.read_at),
        "why_not": one.unread or None,
        "parked": [
            {"lists": p.lists, "since": iso(p.since), "until": iso(p.until)} for p in parked if p.account == one.account
        ],
    }


def _show(found: list[verb.Quota], parked: list[Parking], out: Out) -> None:
    for k, one in enumerate(found):
        out.line(f"{'' if k == 0 else chr(10)}{one.account}  (lanes: {', '.join(one.lanes)})\n")
        asked = one.read_at is not None
        provider = number(one.theirs) if one.theirs is not None else "–"
        rows = [
            ("maximum in 24 h", _limit(one.maximum, asked), _whose("quota", one)),
            ("sent in 24 h", number(one.sent), f"ours {number(one.ours)}, the provider's figure {provider}"),
            ("remaining", _limit(one.remaining, asked), ""),
            ("a second", _limit(one.rate, asked), _whose("rate", one)),
            ("sandbox", _yes(one.sandbox), "only verified recipients" if one.sandbox else ""),
            ("sending enabled", _yes(one.sending_enabled), ""),
            ("read", local(one.read_at), ""),
        ]
        rows += [(_WAIT[p.lists], f"until {local(p.until)}", "") for p in parked if p.account == one.account]
        out.table(("", "", ""), rows)
        if one.unread:
            out.line(f"\n  {one.unread}")


_WAIT = {True: "lists wait", False: "single mails wait"}


def _limit(figure: float | None, asked: bool) -> str:
    return ("unlimited" if asked else "–") if figure is None else f"{figure:,g}" if figure % 1 else f"{figure:,.0f}"


def _whose(name: str, one: verb.Quota) -> str:
    return "set in the configuration" if name in one.configured else "by the provider" if one.read_at else ""


def _yes(word: bool | None) -> str:
    return "–" if word is None else "yes" if word else "no"
