"""Rates, links, domains and costs, as `campaign report` and `statistics` print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kakitome.app import Instance
from kakitome.cli.out import Out, number
from kakitome.core.cost import amount_text, exact_text, totals
from kakitome.core.ids import RunId
from kakitome.core.message import Run
from kakitome.core.statistics import LinkFigures, Totals, percent, percent_text
from kakitome.statistics import LaneCost, Rates, accepted_by_lane, lane_costs

SHOWN = 10
"""Domains and links that people are shown; programs get `MOST`."""
MOST = 1_000

_REASONS = {
    "apple": "Apple Mail Privacy Protection",
    "google": "Gmail's image proxy",
    "yahoo": "Yahoo's mail proxy",
    "scanner": "scanners and scripts, by their own name",
    "too_fast": "clicked before 1.5 s after the delivery",
    "burst": "several links within seconds",
}


def share(part: int, whole: int) -> dict[str, object]:
    """For programs: null where there is nothing to have a share of."""
    figure = percent(part, whole)
    return {"count": part, "of": whole, "percent": None if figure is None else float(figure)}


def rates_document(t: Totals, sent: int) -> dict[str, object]:
    document: dict[str, object] = {name: share(getattr(t, name), sent) for name in _OF_SENT}
    return document | {name: share(getattr(t, name), t.delivered) for name in _OF_DELIVERED}


_OF_SENT = {"delivered": "", "bounced": "for good", "complained": "", "rejected": "by the provider, after it took it"}
_OF_DELIVERED = {
    "opened": "",
    "clicked": "",
    "machine_opened": "by machines only",
    "machine_clicked": "by machines only",
}


def show_rates(rates: Rates, out: Out) -> None:
    t = rates.totals
    rows = [("sent", number(rates.sent), "", "")]
    rows += [(name, number(n := getattr(t, name)), percent_text(n, rates.sent), of) for name, of in _OF_SENT.items()]
    for name, of in _OF_DELIVERED.items():
        n = getattr(t, name)
        rows.append((name.removeprefix("machine_"), number(n), percent_text(n, t.delivered), of or "of the delivered"))
    failed, ended = rates.failed
    rows.append(("failed", number(failed), percent_text(failed, ended), f"of {number(ended)} that we are done with"))
    out.table(("", "", "", ""), rows, right=(1, 2))


class Details:
    """Links, domains and machines of some runs."""

    def __init__(
        self, links: list[LinkFigures], domains: Mapping[str, Totals], machines: Mapping[str, tuple[int, int]]
    ) -> None:
        self._links = links
        self._domains = domains
        self._machines = machines

    @property
    def empty(self) -> bool:
        return not (self._links or self._domains or self._machines)

    def document(self) -> dict[str, object]:
        return {
            "links": [
                {"link": one.link, "messages": one.messages, "clicks": one.clicks, "machine_clicks": one.machine}
                for one in self._links
            ],
            "domains": [
                {"domain": name, "messages": t.heard, **rates_document(t, t.heard)} for name, t in self._domains.items()
            ],
            "machines": [
                {"reason": reason, "opens": opens, "clicks": clicks}
                for reason, (opens, clicks) in self._machines.items()
            ],
        }

    def show(self, out: Out) -> None:
        if self._links:
            out.line(f"\nlinks by readers' clicks{_first(self._links)}\n")
            links = self._links[:SHOWN]
            rows = [(number(x.messages), number(x.clicks), number(x.machine), x.link or "(not told)") for x in links]
            out.table(("readers", "clicks", "machines", "link"), rows, right=(0, 1, 2))
        if self._domains:
            out.line(f"\nrecipient domains{_first(self._domains)}\n")
            domains = list(self._domains.items())[:SHOWN]
            heads = ("domain", "heard of", "delivered", "bounced", "complained", "clicked")
            out.table(heads, [_domain(name, t) for name, t in domains], right=(1, 2, 3, 4, 5))
        if self._machines:
            out.line("\nopens and clicks of machines, each one\n")
            rows_ = [(number(o), number(c), _REASONS.get(why, why)) for why, (o, c) in self._machines.items()]
            out.table(("opens", "clicks", "because"), rows_, right=(0, 1))


def _first(all_of_them: Sequence[object] | Mapping[str, object]) -> str:
    return f", the first {SHOWN}" if len(all_of_them) > SHOWN else ""


def _domain(name: str, t: Totals) -> tuple[str, ...]:
    shares = (percent_text(n, t.heard) for n in (t.delivered, t.bounced, t.complained))
    return (name, number(t.heard), *shares, percent_text(t.clicked, t.delivered))


async def details(instance: Instance, runs: Sequence[RunId], out: Out, domain: str | None = None) -> Details:
    n, figures = MOST if out.json else SHOWN + 1, instance.ledger.figures
    domains = await figures.domains(runs, n, domain.lower() if domain else None)
    if domain is not None:
        return Details([], domains, {})
    return Details(await figures.links(runs, n), domains, await figures.machines(runs))


# ── Cost ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def cost_of(instance: Instance, run: Run) -> list[LaneCost]:
    """What the provider accepted of the run so far, by lane."""
    timely = await instance.ledger.figures.timely(0, instance.clock.now() + 1, [run.id])
    return priced(instance, accepted_by_lane(timely))


def priced(instance: Instance, recipients: Mapping[str, int]) -> list[LaneCost]:
    accounts = {name: lane.account for name, lane in instance.lanes.items()}
    return lane_costs(recipients, accounts, instance.prices())


def cost_document(costs: Sequence[LaneCost]) -> dict[str, object]:
    known = any(one.amount is not None for one in costs)
    return {
        "cost": [_cost(one) for one in costs] if known else None,
        "cost_why_not": None if known else why_no_cost(costs),
    }


def _cost(one: LaneCost) -> dict[str, object]:
    return {
        "lane": one.lane,
        "account": one.account,
        "recipients": one.recipients,
        "amount": None if one.amount is None else exact_text(one.amount),
        "currency": one.currency or None,
        "why_not": one.why_not or None,
    }


def why_no_cost(costs: Sequence[LaneCost]) -> str:
    return " ".join(dict.fromkeys(one.why_not for one in costs)) or "Nothing was sent."


def cost_text(one: LaneCost) -> str:
    return f"– {one.why_not}" if one.amount is None else f"{amount_text(one.amount)} {one.currency}"


def show_costs(costs: Sequence[LaneCost], out: Out) -> None:
    """Lanes, and the sum for each currency where there are several."""
    rows = [(one.lane, one.account, number(one.recipients), cost_text(one)) for one in costs]
    known = [(one.currency, one.amount) for one in costs if one.amount is not None]
    if len(known) > 1:
        rows += [("together", "", "", f"{amount_text(amount)} {name}") for name, amount in totals(known).items()]
    out.table(("lane", "account", "recipients", "cost"), rows, right=(2,))
