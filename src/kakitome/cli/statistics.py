"""`statistics`: by account, by stream, campaign and domain, and the cost."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

from kakitome import start
from kakitome import statistics as verb
from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.figures import cost_document, details, priced, rates_document, share, show_costs, show_rates
from kakitome.cli.out import Out, iso, local, number
from kakitome.core.errors import NotFound, Refused
from kakitome.core.message import Run
from kakitome.core.statistics import QUARTER, Point, percent_text, summed

DAY = 24 * 3600 * 1000


async def statistics(args: Namespace, out: Out) -> int:
    if args.domain and (args.account or args.cost):
        raise Refused("Providers do not tell statistics and costs by recipient domain.", "Leave --domain out.")
    async with session.instance(args, out) as instance:
        if args.cost:
            await _costs(instance, args, out)
        elif args.stream or args.campaign or args.domain:
            await _rates(instance, args, out)
        else:
            await _accounts(instance, args, out)
    return 0


def _since(instance: Instance, args: Namespace) -> tuple[int, int]:
    """The beginning, at a whole quarter of an hour, and now."""
    now = instance.clock.now()
    return (now - args.days * DAY) // QUARTER * QUARTER, now


async def _costs(instance: Instance, args: Namespace, out: Out) -> None:
    since, now = _since(instance, args)
    timely = await instance.ledger.figures.timely(since, now + 1)
    costs = priced(instance, verb.accepted_by_lane(timely))
    if out.json:
        out.document({"since": iso(since), "until": iso(now), **cost_document(costs)})
        return
    out.line(f"accepted since {local(since)}, and what it costs\n")
    show_costs(costs, out)


# ── Rates ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _rates(instance: Instance, args: Namespace, out: Out) -> None:
    runs = await _runs(instance, args)
    found = await verb.rates(instance.ledger, runs)
    more = await details(instance, [run.id for run in runs], out, args.domain)
    since, now = _since(instance, args)
    recent = await verb.recent(instance.ledger, runs, since, now)
    whose = args.campaign or args.stream or "all streams"
    if out.json:
        document: dict[str, object] = {"campaign": args.campaign, "stream": args.stream, "domain": args.domain}
        if args.domain is None:
            document |= {"sent": found.sent, **rates_document(found.totals, found.sent), "failed": share(*found.failed)}
            document |= {"recent": {"since": iso(since), **_recent(recent)}}
        out.document(document | more.document())
        return
    if args.domain is None:
        out.line(f"{whose}: since its beginning\n")
        show_rates(found, out)
        out.line(f"\nsince {local(since)}: {_recent_text(recent)}")
    elif more.empty:
        out.line(f"The providers have told nothing yet of mail to {args.domain}.")
    more.show(out)


async def _runs(instance: Instance, args: Namespace) -> list[Run]:
    if args.campaign:
        return [await start.campaign(args.campaign, instance.ledger)]
    return await verb.runs_of(instance.ledger, args.stream)


def _recent(recent: dict[str, int]) -> dict[str, object]:
    accepted = recent["accepted"]
    return {"accepted": accepted} | {
        name: share(recent[counted], accepted)
        for name, counted in (("bounced", "permanent"), ("complained", "complained"))
    }


def _recent_text(recent: dict[str, int]) -> str:
    accepted = recent["accepted"]
    bounced, complained = (percent_text(recent[name], accepted) for name in ("permanent", "complained"))
    return f"{number(accepted)} accepted, {bounced} bounced for good, {complained} complained"


# ── By account ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _accounts(instance: Instance, args: Namespace, out: Out) -> None:
    lanes = list(instance.lanes.values())
    accounts = sorted({lane.account for lane in lanes})
    if args.account is not None and args.account not in accounts:
        raise NotFound(f"No lane leads into an account {args.account!r}.", f"Accounts: {', '.join(accounts)}.")
    since, now = _since(instance, args)
    sources = instance.points()
    found = [
        await verb.account_series(instance.ledger, account, lanes, sources.get(account), since, now)
        for account in accounts
        if args.account in (None, account)
    ]
    if out.json:
        out.document({"since": iso(since), "until": iso(now), "accounts": [_series(one) for one in found]})
        return
    for k, one in enumerate(found):
        out.line(f"{'' if k == 0 else chr(10)}{one.account}, since {local(since)}\n")
        _show_series(one, out)


def _series(one: verb.AccountSeries) -> dict[str, object]:
    theirs = one.theirs
    return {
        "account": one.account,
        "points": [_point(point) for point in theirs.points],
        "sum": None if one.unread else _figures(summed(theirs.points)),
        "repeated": [iso(at) for at in theirs.repeated],
        "gaps": [{"after": iso(a), "before": iso(b)} for a, b in theirs.gaps],
        "ours": [_point(point) for point in one.ours],
        "ours_sum": _figures(summed(one.ours)),
        "why_not": one.unread or None,
    }


def _point(point: Point) -> dict[str, object]:
    return {"at": iso(point.at), **_figures(point)}


def _figures(point: Point) -> dict[str, object]:
    return {name: getattr(point, name) for name in ("attempts", "bounces", "complaints", "rejects")}


def _show_series(one: verb.AccountSeries, out: Out) -> None:
    """A line for each of the provider's points, with our figures for its quarter beside the first of them."""
    ours = {point.at: point for point in one.ours}
    times: dict[int, list[Point | None]] = {at: [] for at in ours}
    for point in one.theirs.points:
        times.setdefault(point.at // QUARTER * QUARTER, []).append(point)
    rows = []
    for quarter, points in sorted(times.items()):
        for k, theirs in enumerate(points or [None]):
            row = _cells(_time(theirs.at if theirs else quarter), theirs, ours.get(quarter) if k == 0 else None)
            rows.append(row)
    if rows:
        rows.append(_cells("sum", None if one.unread else summed(one.theirs.points), summed(one.ours)))
        heads = ("time", "attempts", "ours", "bounces", "ours", "complaints", "ours", "rejects", "ours")
        out.table(heads, rows, right=tuple(range(1, 9)))
    else:
        out.line("  Nothing was sent.")
    for text in _remarks(one):
        out.line(f"\n  {text}")


def _time(at: int) -> str:
    """Without the year, for the width of 80 columns: there are two weeks."""
    return f"{datetime.fromtimestamp(at / 1000).astimezone():%m-%d %H:%M}"


def _cells(first: str, theirs: Point | None, ours: Point | None) -> tuple[str, ...]:
    cells = [first]
    for name in ("attempts", "bounces", "complaints", "rejects"):
        cells += ["–" if point is None else number(getattr(point, name)) for point in (theirs, ours)]
    return tuple(cells)


def _remarks(one: verb.AccountSeries) -> list[str]:
    remarks = [one.unread] if one.unread else []
    if one.theirs.repeated:
        times = ", ".join(_time(at) for at in one.theirs.repeated[:5])
        more = " …" if len(one.theirs.repeated) > 5 else ""
        remarks.append(f"The provider told some times more than once: {times}{more}; equal points count once.")
    if one.theirs.gaps:
        remarks.append(
            f"{number(len(one.theirs.gaps))} gaps: the provider tells nothing of a time in which nothing was sent."
        )
    return remarks
