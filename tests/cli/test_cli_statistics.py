"""Figures from outside: what the provider, the ledger and the price list say, on one page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from terminal import Said, Terminal

from kakitome.app import opened
from kakitome.config import load
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.ids import message_text
from kakitome.ingest import ingest
from kakitome.ports.reads import Search
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

LANE = """
[lanes.ses]
provider = "ses"
region = "us-east-1"
endpoint = "http://{}"
[accounts.ses-us-east-1]
price = 0.10
"""
PERMANENT = {"permanence": Permanence.PERMANENT, "bounce_class": BounceClass.INVALID_RECIPIENT}
APPLE = msgspec.Raw(b'{"open":{"userAgent":"Mozilla/5.0"}}')
RATES = ("campaign", "report", "news")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture(scope="module")
def far() -> Iterator[Remote]:
    with running("--rate", "1000", "--quota", "200") as remote:
        yield remote


@pytest.fixture
def here(far: Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Through SES's API, at a price."""
    far.reset()
    return Terminal(tmp_path, capsys, LANE.format(far.http))


def tell(here: Terminal, *happenings: tuple[int, EventKind, int, dict[str, Any]]) -> None:
    """Events of the campaign's messages, by their number: kind, milliseconds from now, and more."""

    async def told() -> None:
        async with opened(load(here.config, {})) as instance:
            run = await instance.ledger.runs.find("news")
            assert run is not None
            views = await instance.ledger.reads.search(Search(run=run.id))
            tried = await instance.ledger.reads.attempts([view.id for view in views])
            newest = {one.message: str(one.fence) for one in sorted(tried, key=lambda one: one.fence)}
            now = instance.clock.now()
            events = [
                Event(
                    key=f"k{k}", kind=kind, at=now + after, provider="ses", provider_message_id="",
                    recipient=views[n].address, message=message_text(views[n].id),
                    attempt=newest[views[n].id], **more,
                )
                for k, (n, kind, after, more) in enumerate(happenings)
            ]  # fmt: skip
            await ingest(events, instance.ledger, instance.clock)

    asyncio.run(told())


def sent(here: Terminal, n: int = 4) -> None:
    here.put()
    here.start(here.list(n))


def told(here: Terminal) -> None:
    """Four mails: read, opened by a machine, bounced, and complained of."""
    sent(here)
    link = {"link": "https://a.example/?x=1"}
    tell(
        here,
        (0, EventKind.DELIVERED, 0, {}),
        (0, EventKind.CLICKED, 60_000, link),
        (0, EventKind.CLICKED, 90_000, link),
        (1, EventKind.DELIVERED, 0, {}),
        (1, EventKind.OPENED, 5_000, {"raw": APPLE}),
        (1, EventKind.CLICKED, 1_000, link),
        (2, EventKind.BOUNCED, 0, PERMANENT),
        (3, EventKind.COMPLAINED, 0, {"complaint": "abuse"}),
    )


def lines(said: Said) -> list[list[str]]:
    assert said.code == 0, said
    return [line.split() for line in said.out.splitlines() if line.strip()]


def test_431_of_200_leave_nothing(here: Terminal, far: Remote) -> None:
    """S4's account: remaining 0, no crash; whose figure is whose, and when it was read."""
    far.limit(quota=10_000)
    sent(here, 431)
    far.limit(quota=200, rate=14, sandbox=True)
    [account] = here.json("quota")["accounts"]
    figures = {name: account[name] for name in ("maximum", "sent", "ours", "provider", "remaining", "rate")}
    assert figures == {"maximum": 200, "sent": 431, "ours": 431, "provider": 431, "remaining": 0, "rate": 14}
    assert (account["sandbox"], account["sending_enabled"], account["why_not"]) == (True, True, None)
    assert account["read_at"].endswith("Z")
    shown = lines(here.run("quota"))
    assert ["remaining", "0"] in shown and "yes" in next(line for line in shown if line[0] == "sandbox")
    far.limit(quota=200, rate=1_000, sandbox=False)


def test_lanes_that_cannot_be_asked_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder has nobody to ask, and a provider that is away is an answer, too."""
    [folder] = Terminal(tmp_path, capsys).json("quota")["accounts"]
    assert folder["maximum"] is None and "Nobody is asked" in folder["why_not"]
    [away] = Terminal(tmp_path, capsys, LANE.format("127.0.0.1:9")).json("quota")["accounts"]
    assert (away["remaining"], away["read_at"]) == (None, None) and "cannot be read" in away["why_not"]


def test_the_providers_points_and_ours(here: Terminal) -> None:
    """What SES counted of four mails stands beside what we counted of them, in sorted points and in sums."""
    told(here)
    [account] = here.json("statistics", "--account", "ses-us-east-1")["accounts"]
    assert (account["why_not"], account["repeated"]) == (None, [])
    assert account["sum"]["attempts"] == account["ours_sum"]["attempts"] == 4
    assert {name: account["ours_sum"][name] for name in ("bounces", "complaints", "rejects")} == {
        "bounces": 1, "complaints": 1, "rejects": 0,
    }  # fmt: skip
    times = [point["at"] for point in account["points"]]
    assert times == sorted(times)
    shown = lines(here.run("statistics"))
    assert shown[-1][:5] == ["sum", "4", "4", *shown[-1][3:5]] and shown[-1][4] == "1"
    assert max(len(line) for line in here.run("statistics").out.splitlines()) <= 80


def test_a_provider_that_tells_nothing_hides_nothing_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens there: a dash for its figures, with the reason, and exit code 0."""
    here = Terminal(tmp_path, capsys, LANE.format("127.0.0.1:9"))
    [account] = here.json("statistics")["accounts"]
    assert (account["sum"], account["points"]) == (None, [])
    assert "cannot be read" in account["why_not"]
    assert here.run("statistics", "--account", "elsewhere").code == 1


def test_a_report_has_rates_links_domains_and_cost(here: Terminal) -> None:
    """Persons and machines apart, each share with what it is a share of, and what it cost to the last decimal."""
    told(here)
    report = here.json(*RATES)
    shares = {name: (one["count"], one["of"], one["percent"]) for name, one in report["rates"].items()}
    assert shares == {
        "delivered": (3, 4, 75.0),
        "bounced": (1, 4, 25.0),
        "complained": (1, 4, 25.0),
        "rejected": (0, 4, 0.0),
        "opened": (1, 3, 33.333),
        "clicked": (1, 3, 33.333),
        "machine_opened": (1, 3, 33.333),
        "machine_clicked": (1, 3, 33.333),
        "failed": (0, 4, 0.0),
    }
    assert report["links"] == [{"link": "https://a.example/?x=1", "messages": 1, "clicks": 2, "machine_clicks": 1}]
    assert report["machines"] == [
        {"reason": "apple", "opens": 1, "clicks": 0},
        {"reason": "too_fast", "opens": 0, "clicks": 1},
    ]
    [domain] = report["domains"]
    assert (domain["domain"], domain["messages"], domain["bounced"]["percent"]) == ("example.com", 4, 25.0)
    [cost] = report["cost"]
    assert (cost["lane"], cost["recipients"], cost["amount"], cost["currency"]) == ("ses", 4, "0.0004", "USD")
    shown = here.run(*RATES).out
    assert "https://a.example/?x=1" in shown and "Apple Mail Privacy Protection" in shown and "0.0004 USD" in shown
    assert here.run("ledger", "verify").code == 0


def test_streams_campaigns_and_domains_have_rates(here: Terminal) -> None:
    """The same figures by each; a domain that nobody wrote to is no error; what providers do not tell is refused."""
    told(here)
    by_stream, by_campaign = here.json("statistics", "--stream", "bulk"), here.json("statistics", "--campaign", "news")
    assert by_stream["bounced"] == by_campaign["bounced"] == {"count": 1, "of": 4, "percent": 25.0}
    assert by_stream["recent"]["complained"] == {"count": 1, "of": 4, "percent": 25.0}
    [domain] = here.json("statistics", "--domain", "Example.COM")["domains"]
    assert (domain["domain"], domain["messages"]) == ("example.com", 4)
    assert "told nothing yet of mail to gmail.com" in here.run("statistics", "--domain", "gmail.com").out
    assert here.json("statistics", "--stream", "bulk", "--domain", "gmail.com")["domains"] == []
    assert here.run("statistics", "--stream", "booking").code == 1
    assert here.run("statistics", "--cost", "--domain", "gmail.com").code == 1


def test_a_rate_of_nothing_is_a_dash(here: Terminal) -> None:
    """Before the provider has told anything nobody knows an open rate: null, and never 0 %."""
    sent(here, 2)
    report = here.json(*RATES)
    assert report["rates"]["opened"] == {"count": 0, "of": 0, "percent": None}
    assert ["opened", "0", "–", "of", "the", "delivered"] in lines(here.run(*RATES))


def test_costs_of_a_span_and_of_a_plan(here: Terminal) -> None:
    """By account, for what was accepted in the span; a plan knows them before; without a price the reason is there."""
    here.put()
    plan = here.json("campaign", "plan", "--list", here.list(4), "--template", "news")
    assert [(one["lane"], one["amount"]) for one in plan["cost"]] == [("ses", "0.0004")]
    assert "cost by ses  0.0004 USD" in here.run("campaign", "plan", "--list", here.list(4), "--template", "news").out
    here.start(here.list(4))
    [cost] = here.json("statistics", "--cost", "--days", "1")["cost"]
    assert (cost["account"], cost["recipients"], cost["amount"]) == ("ses-us-east-1", 4, "0.0004")
    here.config.write_text(here.config.read_text().replace("price = 0.10", ""))
    free = here.json("statistics", "--cost")
    assert (free["cost"], free["cost_why_not"]) == (None, "[accounts.ses-us-east-1] has no price.")
    assert "– [accounts.ses-us-east-1] has no price." in here.run("statistics", "--cost").out
