"""How people and programs are told: what goes over the wire, and what does not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json

import pytest
from standin import standing_in

from kakitome.core.alert import Alert, Facts, Kind, Late, Level, Stopped
from kakitome.observe.post import NotTold
from kakitome.observe.slack import Slack, message
from kakitome.observe.webhook import Webhook, secret_key
from kakitome.observe.wording import Owner, Text, line, plain, wording

T, MINUTE = 1_800_000_000_000, 60_000
SES = Stopped("lane:ses", "ses-tokyo", "refused_connection", T, "nobody <!channel> listens", T + MINUTE)
LATE = {"stream:booking": Late(stream="booking", run=1, since=T, count=412, sent=5)}
OUTAGE = Alert(
    id=7,
    key="late:hotel:provider:ses-tokyo",
    kind=Kind.LATE,
    level=Level.ALARM,
    since=T,
    raised=T + 10 * MINUTE,
    facts=Facts(owners=("hotel",), why="provider", late=LATE, were=LATE, causes=("ses-tokyo",), stopped=(SES,)),
)
OWNERS = {"hotel": Owner("Hotel & Spa", "Sato")}


def test_an_alert_says_what_a_person_must_know() -> None:
    """How many, which stream, whose, since when, why, what it means for the mail, and what to press."""
    said = plain(wording(OUTAGE, "raised", OWNERS, "/etc/kakitome.toml"))
    for part in (
        "412 wait in stream booking",
        "Hotel & Spa (ask Sato)",
        "2027-01-15 08:00 UTC (10 min ago)",
        "the provider. The lane ses has been stopped since 2027-01-15 08:00 UTC: refused connection.",
        "nobody <!channel> listens",
        "Nothing is lost",
        "kakitome lane resume lane:ses --config /etc/kakitome.toml",
    ):
        assert part in said, said
    assert "\n" not in line(wording(OUTAGE, "raised", OWNERS))


def test_an_account_that_is_stopped_is_named_once() -> None:
    """A lane is named with its account, an account alone."""
    account = Stopped("account:ses-tokyo", "ses-tokyo", "suspended", T)
    for stopped, title in (
        ((SES,), "Stopped: lane ses (account ses-tokyo)"),
        ((account,), "Stopped: account ses-tokyo"),
        ((SES, account), "Stopped: lane ses, account ses-tokyo (account ses-tokyo)"),
    ):
        facts = Facts(causes=("ses-tokyo",), stopped=stopped)
        alert = Alert(id=8, key="lane:ses-tokyo", kind=Kind.LANE, level=Level.ALARM, since=T, raised=T, facts=facts)
        assert wording(alert, "raised", OWNERS).title == title


def test_an_end_says_how_long_and_how_many() -> None:
    """What went since, and what still waits."""
    from msgspec.structs import replace

    ended = replace(OUTAGE, ended=T + 42 * MINUTE, facts=replace(OUTAGE.facts, gone=410, count=2))
    said = plain(wording(ended, "ended", OWNERS))
    assert "Over" in said and "42 min" in said and "Sent since: 410" in said and "Still waiting: 2" in said


@pytest.mark.parametrize(
    ("why", "whose", "press"),
    [
        ("no-worker", "us: no worker is alive", "kakitome worker"),
        ("held", "us: this ledger was restored", "kakitome ledger release --who YOU"),
        ("ledger", "us: the ledger takes seconds", "kakitome unsent"),
        ("unknown", "us: workers run", "kakitome unsent"),
        ("quota", "the quota of the rolling 24 hours", "kakitome lane list"),
    ],
)
def test_whose_fault_it_is(why: str, whose: str, press: str) -> None:
    """Ours is told apart from the provider's, each with its own command."""
    from msgspec.structs import replace

    text = wording(replace(OUTAGE, facts=replace(OUTAGE.facts, why=why, stopped=())), "raised", OWNERS)
    assert whose in dict(text.facts)["Likely cause"]
    assert text.press == (press,)


def test_slack_reads_no_commands_out_of_what_we_quote() -> None:
    """`&`, `<` and `>` are escaped, so that a provider's answer rings no channel; lengths are Slack's."""
    said = json.dumps(message(wording(OUTAGE, "raised", OWNERS)))
    assert "<!channel>" not in said and "&lt;!channel&gt;" in said and "Hotel &amp; Spa" in said
    long = message(Text("x" * 500, (("Why", "y" * 9_000),)))
    assert len(long["blocks"][0]["text"]["text"]) == 150
    assert len(long["blocks"][1]["text"]["text"]) == 3_000


def test_a_webhook_is_signed_as_standard_webhooks_say() -> None:
    """Over id, timestamp and the very bytes; the id is the same at every try."""

    async def run() -> None:
        async with standing_in() as program:
            hook = Webhook(program.url, secret_key("whsec_" + base64.b64encode(b"a secret").decode()))
            for now in (T, T + MINUTE):
                await hook.tell(wording(OUTAGE, "raised", OWNERS), OUTAGE, "raised", now)
            first, second = program.headers
            assert first["webhook-id"] == second["webhook-id"] == "alr_7.raised"
            assert second["webhook-timestamp"] == str((T + MINUTE) // 1000)
            signed = f"alr_7.raised.{T // 1000}.".encode() + program.bodies[0]
            expected = base64.b64encode(hmac.new(b"a secret", signed, hashlib.sha256).digest()).decode()
            assert first["webhook-signature"] == f"v1,{expected}"
            body = program.json(0)
            assert (body["type"], body["id"], body["at"]) == ("alert.raised", "alr_7", "2027-01-15T08:10:00.000Z")
            assert (body["data"]["owners"], body["data"]["why"]) == (["hotel"], "provider")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "why"), [(404, "404 no_service"), (500, "500"), ("redirect", "307"), ("lines", "502 down ERROR")]
)
def test_what_is_not_taken_was_not_told(answer: int | str, why: str) -> None:
    """The answer is named, on one line of the log; its address is not: who knows it may write there. No redirect is
    followed."""

    async def run() -> None:
        async with standing_in() as slack:
            slack.answers = [answer]
            with pytest.raises(NotTold, match=why) as caught:
                await Slack(slack.url).tell(Text("x", ()), OUTAGE, "raised", T)
            assert "secret" not in str(caught.value)
            assert (len(slack.bodies), slack.strays) == (1, 0)

    asyncio.run(run())


def test_nobody_there() -> None:
    """A refused connection is no error of ours, and names the host alone."""

    async def run() -> None:
        async with standing_in() as slack:
            url = slack.url
        with pytest.raises(NotTold, match=r"127\.0\.0\.1 cannot be reached") as caught:
            await Slack(url).tell(Text("x", ()), OUTAGE, "raised", T)
        assert "secret" not in str(caught.value)

    asyncio.run(run())


def test_an_answer_is_not_swallowed_whole() -> None:
    """A megabyte of answer is read up to its limit, and told in 200 characters."""

    async def run() -> None:
        async with standing_in() as slack:
            slack.answers = ["flood"]
            assert len(await Slack(slack.url).tell(Text("x", ()), OUTAGE, "raised", T)) <= 204

    asyncio.run(run())
