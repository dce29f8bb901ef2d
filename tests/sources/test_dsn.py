"""Delivery reports: what mail servers write (RFC 3464), and what anybody may write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import READER, plain_mail, report

from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.xtext import from_xtext, to_xtext
from kakitome.sources import EventUnreadable
from kakitome.sources.dsn import ACTIONS, parse_dsn
from kakitome.sources.dsn_report import RECIPIENTS_LIMIT, REPORT_LIMIT, NotAReport
from kakitome.testing.sources import SourceContract

NOW = 1_700_000_000_000

SAMPLES = {
    "failed": report(number=1),
    "delayed": report("delayed", "4.4.1", "smtp; 421 4.4.1 no answer", number=2, Will_Retry_Until="…"),
    "delivered": report("delivered", "2.1.5", "", number=3),
    "relayed": report("relayed", "2.0.0", "", number=4),
    "expanded": report("expanded", "2.1.5", "", number=5),
    "full": report("failed", "4.2.2", "smtp; 452 4.2.2 mailbox full", number=6),
}


class TestDsn(SourceContract):
    def parse(self, payload: bytes, now: int) -> list[Event]:
        return [one.event for one in parse_dsn(payload, now)]

    def samples(self) -> Mapping[str, bytes]:
        return SAMPLES

    def unknown(self) -> bytes:
        return report("teleported", "2.0.0", "", number=9)

    def malformed(self) -> Iterable[bytes]:
        yield from (b"", b"\0\xff", b"Subject: hello\r\n\r\nhello\r\n", plain_mail())
        yield SAMPLES["failed"].replace(b"Action: failed", b"Deed: failed")
        yield SAMPLES["failed"] + b" " * REPORT_LIMIT
        group = b"Final-Recipient: rfc822; a@example.jp\r\nAction: failed\r\n\r\n"
        yield SAMPLES["failed"].replace(b"Final-Recipient", group * RECIPIENTS_LIMIT + b"Final-Recipient")

    def correlation(self) -> tuple[str, str]:
        return "msg_1v5w0k3m9q2ab", "3"

    def test_the_providers_words_are_kept(self) -> None:
        """A report is no JSON: its fields are, by name."""
        for payload in self.samples().values():
            for event in self.parse(payload, self.NOW):
                kept = msgspec.json.decode(event.raw)
                assert kept["about"]["reporting-mta"] == "dns; mx.example.jp"
                assert kept["recipient"]["final-recipient"] == f"rfc822; {READER}"

    def test_an_unknown_type_survives(self) -> None:
        """An action of tomorrow is kept, under a key of its own, and says nothing of delivery."""
        (event,) = self.parse(self.unknown(), self.NOW)
        assert event.kind is EventKind.UNKNOWN
        assert event.key not in {known.key for known in self.all_events()}


def _one(raw: bytes) -> Event:
    (reported,) = parse_dsn(raw, NOW)
    return reported.event


def test_every_action_is_a_kind() -> None:
    """Those of RFC 3464 §2.3.3; relayed and expanded say that it was taken, not that it arrived."""
    assert {name: _one(report(name)).kind for name in ACTIONS} == ACTIONS
    assert _one(report("Failed (bounced)")).kind is EventKind.BOUNCED


@pytest.mark.parametrize(
    ("status", "diagnostic", "permanence", "why"),
    [
        ("5.1.1", "", Permanence.PERMANENT, BounceClass.INVALID_RECIPIENT),
        ("5.0.0", "smtp; 550 5.1.1 unknown", Permanence.PERMANENT, BounceClass.INVALID_RECIPIENT),
        ("5.0.0", "smtp; 550 no such user here", Permanence.PERMANENT, BounceClass.INVALID_RECIPIENT),
        ("5.2.2", "smtp; 552 5.2.2 over quota", Permanence.TRANSIENT, BounceClass.MAILBOX_FULL),
        ("4.4.7", "X-Postfix; delivery temporarily suspended", Permanence.TRANSIENT, BounceClass.EXPIRED),
        ("5.7.1", "smtp; 550 5.7.1 blocked using zen.spamhaus.org", Permanence.TRANSIENT, BounceClass.SPAM_BLOCK),
        ("5.0.0", "smtp; 554 what?", Permanence.UNDETERMINED, BounceClass.OTHER),
        ("strange", "smtp; 550 5.1.1 unknown", Permanence.PERMANENT, BounceClass.INVALID_RECIPIENT),
    ],
)
def test_why_it_failed(status: str, diagnostic: str, permanence: Permanence, why: BounceClass) -> None:
    """The status; where it names only its class, the code and the words of the server that refused."""
    event = _one(report(status=status, diagnostic=diagnostic))
    assert (event.permanence, event.bounce_class) == (permanence, why)


def test_a_lost_envelope_id_is_found_in_what_came_back() -> None:
    """Our Message-ID names the message and not the attempt; a foreign one names nothing."""
    event = _one(report(envelope=None))
    assert (event.message, event.attempt) == ("msg_1v5w0k3m9q2ab", None)
    foreign = _one(report(envelope="QQ314159", returned="abc@elsewhere.example"))
    assert (foreign.message, foreign.attempt, foreign.provider_message_id) == (None, None, "QQ314159")
    assert _one(report(envelope="msg+5F1v5w0k3m9q2ab.3")).attempt == "3"


def test_whole_mails_come_back_too() -> None:
    """Servers that do not know `RET=HDRS` send all of it as message/rfc822."""
    whole = report(envelope=None).replace(b"text/rfc822-headers", b"message/rfc822")
    assert _one(whole).message == "msg_1v5w0k3m9q2ab"


def test_whom_we_wrote_to_counts() -> None:
    """The original recipient (out of xtext), not the mailbox that an alias led to."""
    event = _one(report(recipient="inner@example.jp", Original_Recipient="rfc822;a+2Bb@example.jp"))
    assert event.recipient == "a+b@example.jp"
    assert _one(report(recipient="a+2Bb@x.jp", Original_Recipient="rfc822;a+2Bb@x.jp")).recipient == "a+2Bb@x.jp"


def test_a_copy_by_another_way_is_the_same_event() -> None:
    """What servers add on the way (Received) does not matter; another report does."""
    again = b"Received: from elsewhere\r\nDelivered-To: bounces\r\n" + SAMPLES["failed"]
    assert _one(again).key == _one(SAMPLES["failed"]).key
    assert _one(report(number=2)).key != _one(SAMPLES["failed"]).key


def test_the_last_attempts_time_counts() -> None:
    """Before the report's own; a time that cannot be is none."""
    assert _one(report(Last_Attempt_Date="Sat, 5 Aug 2023 09:41:00 +0900")).at == 1_691_196_060_000
    assert _one(report(Last_Attempt_Date="Sat, 5 Aug 2199 09:41:00 +0900")).at == 1_691_196_062_000


@pytest.mark.parametrize("fields", [{"Auto_Submitted": "auto-replied"}, {}, {"Content_Description": "x"}])
def test_other_mail_bounces_nothing(fields: dict[str, str]) -> None:
    """Neither an out-of-office notice, whatever stands in it, nor a person's mail."""
    with pytest.raises(NotAReport) as refused:
        parse_dsn(plain_mail(**fields), NOW)
    assert ("automatic" in refused.value.what) == ("Auto_Submitted" in fields)


def test_other_reports_are_none_of_delivery() -> None:
    """A read receipt (RFC 8098) has the same form and another type."""
    receipt = SAMPLES["failed"].replace(b"delivery-status", b"disposition-notification")
    with pytest.raises(NotAReport):
        parse_dsn(receipt, NOW)


def _read(raw: bytes) -> list[Event]:
    """The events, or none where it is refused as it should be."""
    try:
        return [one.event for one in parse_dsn(raw, NOW)]
    except EventUnreadable:
        return []


@given(st.binary(max_size=400))
def test_bytes_never_crash(raw: bytes) -> None:
    """Whatever comes is read or refused."""
    assert _read(raw) == []


@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 2_000), st.integers(0, 60), st.binary(max_size=60))
def test_a_damaged_report_never_crashes(name: str, at: int, cut: int, put: bytes) -> None:
    """A piece replaced by anything: read or refused, and what is read has sound values."""
    sample = SAMPLES[name]
    for event in _read(sample[:at] + put + sample[at + cut :]):
        assert 0 < len(event.key) <= 200
        assert "@" not in event.key
        msgspec.json.encode(event)


@given(
    st.dictionaries(
        st.sampled_from(["Action", "Status", "Diagnostic-Code", "Final-Recipient", "Original-Recipient", "X-Other"]),
        st.text(max_size=50),
    )
)
def test_fields_of_any_kind(fields: dict[str, str]) -> None:
    """Values that nobody would write: one event, or a refusal."""
    group = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("utf-8", "replace")
    head, _, tail = SAMPLES["failed"].partition(b"Final-Recipient")
    _, _, rest = tail.partition(b"\r\n\r\n")
    assert all(event.provider == "smtp" for event in _read(head + group + b"\r\n" + rest))


def test_deep_nesting_is_refused() -> None:
    """A thousand parts in parts cost an error, not the process."""
    deep = b"".join(b"Content-Type: multipart/report; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1_500))
    assert _read(deep) == []


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_xtext_is_one_round(text: str) -> None:
    """RFC 3461 §4: safe as an SMTP parameter, and back again."""
    written = to_xtext(text)
    assert from_xtext(written) == text
    assert not set(written) & set(" =")
