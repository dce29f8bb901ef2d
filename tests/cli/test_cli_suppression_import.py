"""Suppression lists of other providers, and SES's own list of the account."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from terminal import Terminal

from kakitome.core.suppression_formats import PassedOver, Told, milliseconds, plain_name, told
from kakitome_simulator.remote import Remote

FILES: dict[str, tuple[str, str, dict[str, str]]] = {
    "list.json": (
        "ses",
        json.dumps(
            {
                "SuppressedDestinationSummaries": [
                    {
                        "EmailAddress": "a@example.com",
                        "Reason": "BOUNCE",
                        "LastUpdateTime": "2020-04-10T21:03:05+00:00",
                    },
                    {"EmailAddress": "b@example.com", "Reason": "COMPLAINT", "LastUpdateTime": 1586552585.077},
                ],
                "NextToken": "x",
            },
            indent=2,
        ),
        {"a@example.com": "bounce", "b@example.com": "complaint"},
    ),
    "lines.json": ("ses", '{"emailAddress": "a@example.com", "reason": "BOUNCE"}\n' * 2, {"a@example.com": "bounce"}),
    "headless.csv": (
        "ses",
        "a@example.com,BOUNCE\nb@example.com, COMPLAINT\n",
        {"a@example.com": "bounce", "b@example.com": "complaint"},
    ),
    "console.csv": (
        "ses",
        "Email address,Suppression reason,Last updated time\na@example.com,Bounce,\n",
        {"a@example.com": "bounce"},
    ),
    "bounces.json": (
        "sendgrid",
        '[{"created": 1443651125, "email": "a@example.com", "reason": "550 5.1.1 no such user", "status": "5.1.1"}]',
        {"a@example.com": "bounce"},
    ),
    "suppression_spam_reports.csv": (
        "sendgrid",
        "email,ip,created\na@example.com,192.0.2.1,1443651125\n",
        {"a@example.com": "complaint"},
    ),
    "suppression_unsubscribes.csv": (
        "sendgrid",
        "email,created\na@example.com,1443651125\n",
        {"a@example.com": "unsubscribe"},
    ),
    "suppression_blocks.csv": ("sendgrid", "status,reason,email,created\n4.0.0,x,a@example.com,1443651125\n", {}),
    "suppression_invalid_emails.csv": (
        "sendgrid",
        "reason,email,created\nunknown,a@example.com,1443651125\n",
        {"a@example.com": "bounce"},
    ),
    "rejects.csv": (
        "mandrill",
        "email,reason,detail,created_at,last_event_at,expires_at,expired\n"
        "a@example.com,hard-bounce,550 no,2013-01-01 15:30:27,2013-01-01 15:30:27,2999-01-01 15:30:49,false\n"
        "b@example.com,soft-bounce,,2013-01-01 15:30:27,,2013-01-02 15:30:27,false\n"
        "c@example.com,soft-bounce,,2013-01-01 15:30:27,,,false\n"
        "d@example.com,unsub,,,,,\ne@example.com,custom,by hand,,,,\nf@example.com,spam,,,,,true\n",
        {
            "a@example.com": "bounce",
            "c@example.com": "transient",
            "d@example.com": "unsubscribe",
            "e@example.com": "manual",
        },
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_providers_export_is_imported(here: Terminal, tmp_path: Path, name: str) -> None:
    """With our reasons; what the provider would send to again is passed over. Twice is once."""
    format, text, expected = FILES[name]
    path = tmp_path / name
    path.write_text(text)
    words = ("suppression", "import", str(path), "--format", format, "--who", "Hanako")
    assert here.json(*words, "--dry-run")["added"] == len(expected)
    assert here.json("suppression", "list")["suppressions"] == []
    assert here.json(*words)["added"] == len(expected)
    assert here.json(*words)["added"] == 0
    found = here.json("suppression", "list")["suppressions"]
    assert {s["address"]: s["reason"] for s in found} == expected
    assert {(s["source"].partition(":")[0], s["who"]) for s in found} <= {(name, "Hanako")}


def test_bad_rows_are_kept_with_their_lines(here: Terminal, tmp_path: Path) -> None:
    """The others are taken; a file of nothing but bad rows is exit code 1."""
    path = tmp_path / "rejects.csv"
    path.write_text("email,reason\na@example.com,hard-bounce\nno address,spam\nb@example.com,=strange\n")
    found = here.json("suppression", "import", str(path), "--format", "mandrill")
    assert (found["added"], found["bad"]) == (1, 2)
    with Path(found["rejects"]).open(encoding="utf-8-sig", newline="") as file:
        assert [row["line"] for row in csv.DictReader(file)] == ["3", "4"]
    path.write_text("{]")
    assert here.run("suppression", "import", str(path), "--format", "ses").code == 1


def test_our_own_file_keeps_time_and_scope(here: Terminal, tmp_path: Path) -> None:
    """Of a row: address, reason, at, note, scope; a time that is none, or to come, and a scope of nothing make the row
    a bad one."""
    path = tmp_path / "own.csv"
    rows = "a@example.com,bounce,2020-01-02T03:04:05Z,stream:bulk\nb@example.com,,soon,\nc@example.com,,2999-01-01,\n"
    path.write_text(f"address,reason,at,scope\n{rows}d@example.com,,,elsewhere\ne@example.com,,,stream:\n")
    assert here.json("suppression", "import", str(path))["bad"] == 4
    [one] = here.json("suppression", "list")["suppressions"]
    assert (one["scope"], one["at"]) == ("stream:bulk", "2020-01-02T03:04:05.000Z")


def test_names_and_times_as_exports_write_them() -> None:
    """Camel case, spaces, capitals; Unix seconds, ISO, without an offset UTC."""
    assert {plain_name(name) for name in ("EmailAddress", "Email address", "email_address", "EMAIL-ADDRESS")} == {
        "email_address"
    }
    assert milliseconds("1443651125") == milliseconds("2015-09-30 22:12:05") == 1_443_651_125_000
    assert milliseconds("tomorrow") is None
    assert told(
        "mandrill", {"email": "a@x.jp", "reason": "spam", "expires_at": "2020-01-01"}, "", 1_600_000_000_000
    ) == PassedOver("expired")
    assert told("sendgrid", {"email": "a@x.jp", "status": "5.1.1"}, "list.csv", 0) == Told(
        "a@x.jp", "bounce", None, "5.1.1"
    )


@pytest.fixture
def account(
    provider: Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """A lane into the simulator's API. Nobody waits a second between requests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    monkeypatch.setattr("kakitome.transports.ses_suppression.PACE", 0.0)
    lane = f'[lanes.ses]\nprovider = "ses"\nregion = "us-east-1"\nendpoint = "http://{provider.http}"\n'
    yield Terminal(tmp_path, capsys, lane)


def _ses(provider: Remote) -> Any:
    return boto3.client("sesv2", region_name="us-east-1", endpoint_url=f"http://{provider.http}")


def _theirs(provider: Remote) -> dict[str, str]:
    found = _ses(provider).list_suppressed_destinations()["SuppressedDestinationSummaries"]
    return {one["EmailAddress"]: one["Reason"] for one in found}


def test_both_lists_agree(account: Terminal, provider: Remote) -> None:
    """Theirs come here and ours go there, but only bounces and complaints for all streams. The first run only says so;
    again changes nothing; what a person removed here is removed there and does not come back."""
    ses = _ses(provider)
    ses.put_suppressed_destination(EmailAddress="theirs@example.com", Reason="COMPLAINT")
    for words in (("bounced@example.com", "--reason", "bounce"), ("asked@example.com",)):
        account.run("suppression", "add", *words)
    account.run("suppression", "add", "stream@example.com", "--reason", "bounce", "--stream", "bulk")
    first = account.json("suppression", "sync")
    assert (first["done"], first["here"], first["there"]) == (False, ["theirs@example.com"], ["bounced@example.com"])
    assert _theirs(provider) == {"theirs@example.com": "COMPLAINT"}
    assert account.json("suppression", "sync", "--dry-run") == first
    assert account.json("suppression", "sync", "--who", "Hanako")["done"]
    assert _theirs(provider) == {"theirs@example.com": "COMPLAINT", "bounced@example.com": "BOUNCE"}
    [came] = [s for s in account.json("suppression", "list")["suppressions"] if s["address"] == "theirs@example.com"]
    assert (came["reason"], came["who"], came["source"][:17]) == ("complaint", "Hanako", "ses:account-list:")
    assert "agree" in account.run("suppression", "sync").out
    account.run("suppression", "remove", "theirs@example.com", "bounced@example.com", "--who", "Hanako")
    assert sorted(account.json("suppression", "sync")["removed_there"]) == ["bounced@example.com", "theirs@example.com"]
    assert _theirs(provider) == {}
    assert {s["address"] for s in account.json("suppression", "list")["suppressions"]} == {
        "asked@example.com",
        "stream@example.com",
    }


def test_what_was_removed_there_is_a_persons_to_decide(account: Terminal, provider: Remote) -> None:
    """It stays suppressed here, is told, and is not put back there."""
    ses = _ses(provider)
    ses.put_suppressed_destination(EmailAddress="theirs@example.com", Reason="BOUNCE")
    for _ in range(2):
        account.run("suppression", "sync")
    ses.delete_suppressed_destination(EmailAddress="theirs@example.com")
    assert account.json("suppression", "sync")["gone_there"] == ["theirs@example.com"]
    assert _theirs(provider) == {}
    assert len(account.json("suppression", "list")["suppressions"]) == 1


def test_without_a_lane_of_ses_there_is_nothing_to_compare(here: Terminal) -> None:
    """Said in a sentence."""
    said = here.run("suppression", "sync")
    assert said.code == 1 and "No lane here leads into an account of SES" in said.err
