"""SES's notifications, after the examples of its developer guide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.delivery import suppresses
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.sources import EventUnreadable
from kakitome.sources.ses import RECIPIENTS_LIMIT, parse_ses
from kakitome.sources.ses_notice import KINDS, MESSAGE_LIMIT, milliseconds
from kakitome.testing.sources import SourceContract

NOW = 1_700_000_000_000
SES_ID = "01060189c0f1a2b3-7f6a1f0e-3c55-4c0e-8a3b-2f1d6c9e8b70-000000"
FEEDBACK = "01060189c0f1b4c5-aa11bb22-5c66-4d0f-9b3c-3f2e7d0f9c81-000000"
READER = "reader@example.jp"
SAMPLE = Path(__file__).parents[1] / "samples" / "ses-bounce-notification.json"

MAIL: dict[str, Any] = {
    "timestamp": "2023-08-05T00:40:02.012Z",
    "source": "Shop <shop@example.com>",
    "sourceArn": "arn:aws:ses:ap-northeast-1:123456789012:identity/example.com",
    "sendingAccountId": "123456789012",
    "messageId": SES_ID,
    "destination": [READER],
    "headersTruncated": False,
    "headers": [{"name": "Subject", "value": "予約の確認"}],
    "commonHeaders": {"subject": "予約の確認", "messageId": "<msg_1@example.com>"},
    "tags": {
        "ses:configuration-set": ["MarketingMailsConfigurationSet"],
        "ses:outgoing-ip": ["192.0.2.1"],
        "kakitome_message": ["msg_1v5w0k3m9q2ab"],
        "kakitome_attempt": ["msg_1v5w0k3m9q2ab-1"],
    },
}

DETAILS: dict[str, dict[str, Any]] = {
    "Send": {},
    "Delivery": {
        "timestamp": "2023-08-05T00:41:00.100Z",
        "processingTimeMillis": 893,
        "recipients": [READER],
        "smtpResponse": "250 2.6.0 Message received",
        "remoteMtaIp": "192.0.2.7",
        "reportingMTA": "mta.example.com",
    },
    "DeliveryDelay": {
        "timestamp": "2023-08-05T00:41:01.200Z",
        "delayType": "TransientCommunicationFailure",
        "expirationTime": "2023-08-05T14:41:01.200Z",
        "delayedRecipients": [
            {"emailAddress": READER, "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 Unable to connect"}
        ],
    },
    "Bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [
            {
                "emailAddress": READER,
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }
        ],
        "timestamp": "2023-08-05T00:41:02.669Z",
        "feedbackId": FEEDBACK,
        "reportingMTA": "dsn; mta.example.com",
    },
    "Complaint": {
        "complainedRecipients": [{"emailAddress": READER}],
        "timestamp": "2023-08-05T00:41:03.000Z",
        "feedbackId": FEEDBACK.replace("aa11", "cc33"),
        "complaintSubType": None,
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": "2023-08-05T00:41:03.000Z",
    },
    "Reject": {"reason": "Bad content"},
    "Open": {"ipAddress": "192.0.2.9", "timestamp": "2023-08-05T00:42:19.652Z", "userAgent": "Mozilla/5.0 (iPhone)"},
    "Click": {
        "ipAddress": "192.0.2.9",
        "link": "https://shop.example.com/book?id=1",
        "linkTags": {"place": ["header"]},
        "timestamp": "2023-08-05T00:43:25.570Z",
        "userAgent": "Mozilla/5.0 (iPhone)",
    },
    "Rendering Failure": {
        "errorMessage": "Attribute 'name' is not present in the rendering data.",
        "templateName": "MyTemplate",
    },
    "Subscription": {
        "contactList": "readers",
        "timestamp": "2023-08-05T00:44:17.910Z",
        "source": "UnsubscribeHeader",
        "newTopicPreferences": {"unsubscribeAll": True, "topicSubscriptionStatus": []},
        "oldTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": []},
    },
}


def _notice(name: str, field: str = "eventType", mail: Mapping[str, Any] = MAIL, **changes: Any) -> bytes:
    """A notification of type `name`; `changes` go into its detail."""
    inside = KINDS[name][1]
    return msgspec.json.encode({field: name, "mail": mail, inside: deepcopy(DETAILS[name]) | changes})


def _one(payload: bytes) -> Event:
    (event,) = parse_ses(payload, NOW)
    return event


class TestSesKeepsTheContract(SourceContract):
    """SES by the contract that every source must keep."""

    def parse(self, payload: bytes, now: int) -> list[Event]:
        return parse_ses(payload, now)

    def samples(self) -> Mapping[str, bytes]:
        return {name: _notice(name) for name in KINDS}

    def unknown(self) -> bytes:
        return msgspec.json.encode({"eventType": "Teleport", "mail": MAIL, "teleport": {"to": "Mars"}})

    def malformed(self) -> Iterable[bytes]:
        yield from (b"", b"null", b"[]", b"{}", b'"Bounce"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000)
        yield from (b'{"eventType":"Bounce"}', b'{"eventType":7}', b'{"eventType":"Send","send":{},"mail":{}}')
        yield _notice("Bounce", bouncedRecipients=[{"status": "5.1.1"}])
        yield _notice("Bounce", bouncedRecipients="everybody")
        yield _notice("Bounce", timestamp="yesterday")
        yield _notice("Delivery", timestamp="0001-01-01T00:00:00+99:00")
        yield _notice("Send", mail=dict(MAIL, timestamp=None))
        yield _notice("Delivery", recipients=[READER] * (RECIPIENTS_LIMIT + 1))
        yield _notice("Reject", reason="x" * MESSAGE_LIMIT)

    def correlation(self) -> tuple[str, str]:
        return "msg_1v5w0k3m9q2ab", "msg_1v5w0k3m9q2ab-1"


def test_every_kind_of_event_has_its_sample() -> None:
    """The contract was tried on all that SES documents: each of our kinds but two, which SES tells otherwise."""
    kinds = {_one(_notice(name)).kind for name in KINDS}
    assert kinds == set(EventKind) - {EventKind.UNKNOWN, EventKind.RESUBSCRIBED}


def test_the_published_sample() -> None:
    """The account's own example: one permanent bounce of the simulator's address, for want of such a user."""
    event = _one(SAMPLE.read_bytes())
    assert (event.kind, event.permanence, event.bounce_class) == (
        EventKind.BOUNCED,
        Permanence.PERMANENT,
        BounceClass.INVALID_RECIPIENT,
    )
    assert event.recipient == "bounce@simulator.amazonses.com"
    assert event.at == 1_455_699_363_795
    assert event.provider_message_id == "00000152ee71825f-3fb1d588-2263-40ed-84ae-aa6128218ea7-000000"
    assert (event.message, event.attempt) == (None, None)
    assert suppresses(event) == "bounce"


def test_the_bounced_decide_not_the_destination() -> None:
    """Of three who were written to one bounced: one event, about him."""
    mail = dict(MAIL, destination=["a@example.jp", READER, "c@example.jp"])
    assert [e.recipient for e in parse_ses(_notice("Bounce", mail=mail), NOW)] == [READER]
    assert [e.recipient for e in parse_ses(_notice("Bounce", mail=mail, bouncedRecipients=[]), NOW)] == [None]


def test_each_bounced_recipient_is_an_event() -> None:
    """Two recipients, two reasons, two keys."""
    both = [
        {"emailAddress": "a@example.jp", "status": "5.1.1", "diagnosticCode": None},
        {"emailAddress": "b@example.jp", "status": "5.2.2"},
    ]
    first, second = parse_ses(_notice("Bounce", bouncedRecipients=both), NOW)
    assert (first.recipient, first.bounce_class) == ("a@example.jp", BounceClass.INVALID_RECIPIENT)
    assert (second.recipient, second.bounce_class) == ("b@example.jp", BounceClass.MAILBOX_FULL)
    assert first.key != second.key


@pytest.mark.parametrize("name", ["Bounce", "Complaint", "Delivery"])
def test_both_forms_are_one_happening(name: str) -> None:
    """Told by an event destination and by the identity's old notification, it is one event under one key."""
    new, old = _one(_notice(name)), _one(_notice(name, "notificationType", mail={**MAIL, "tags": {}}))
    assert new.key == old.key
    assert (new.kind, new.at, new.recipient) == (old.kind, old.at, old.recipient)
    assert old.message is None


@pytest.mark.parametrize(
    ("type_", "sub_type", "reason"),
    [
        ("Permanent", "Suppressed", "provider"),
        ("Permanent", "OnAccountSuppressionList", "provider"),
        ("Permanent", "NoEmail", "bounce"),
        ("Transient", "MailboxFull", None),
        ("Transient", "General", None),
        ("Undetermined", "Undetermined", None),
        ("Of tomorrow", "Of tomorrow", None),
    ],
)
def test_who_is_suppressed_by_a_bounce(type_: str, sub_type: str, reason: str | None) -> None:
    """SES's types through to our suppression list."""
    assert suppresses(_one(_notice("Bounce", bounceType=type_, bounceSubType=sub_type))) == reason


def test_a_complaint_that_nobody_made() -> None:
    """SES held the mail back because of an older complaint: refused by the provider, not complained of."""
    event = _one(_notice("Complaint", complaintSubType="OnAccountSuppressionList"))
    assert (event.kind, suppresses(event)) == (EventKind.REJECTED, "provider")


@pytest.mark.parametrize(("type_", "reason"), [("abuse", "complaint"), (None, "complaint"), ("not-spam", None)])
def test_complaints(type_: str | None, reason: str | None) -> None:
    """Every complaint suppresses, but "this is no spam" is none."""
    event = _one(_notice("Complaint", complaintFeedbackType=type_))
    assert (event.kind, event.complaint, suppresses(event)) == (EventKind.COMPLAINED, type_, reason)


@pytest.mark.parametrize(
    ("new", "old", "kind"),
    [
        (True, False, EventKind.UNSUBSCRIBED),
        (False, True, EventKind.RESUBSCRIBED),
        (False, False, EventKind.UNKNOWN),
    ],
)
def test_subscriptions(new: bool, old: bool, kind: EventKind) -> None:
    """Leaving altogether, coming back, and a change of topics, which is kept but not acted on."""
    event = _one(
        _notice(
            "Subscription", newTopicPreferences={"unsubscribeAll": new}, oldTopicPreferences={"unsubscribeAll": old}
        )
    )
    assert event.kind is kind


@pytest.mark.parametrize("name", ["Open", "Click", "Subscription"])
def test_one_of_several_readers_is_nobody_in_particular(name: str) -> None:
    """SES does not say who of two opened the mail, so we do not either."""
    assert _one(_notice(name)).recipient == READER
    assert _one(_notice(name, mail=dict(MAIL, destination=[READER, "b@example.jp"]))).recipient is None


def test_a_send_is_about_everybody() -> None:
    """SES takes the mail for each recipient."""
    mail = dict(MAIL, destination=["Reader <a@example.jp>", "b@example.jp"])
    assert [e.recipient for e in parse_ses(_notice("Send", mail=mail), NOW)] == ["a@example.jp", "b@example.jp"]


def test_two_clicks_are_two_events() -> None:
    """Another link at the same moment is another happening."""
    other = _one(_notice("Click", link="https://shop.example.com/other"))
    assert other.key != _one(_notice("Click")).key
    assert other.link == "https://shop.example.com/other"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Delivery", "250 2.6.0 Message received"),
        ("DeliveryDelay", "smtp; 421 4.4.1 Unable to connect"),
        ("Reject", "Bad content"),
        ("Rendering Failure", "Attribute 'name' is not present in the rendering data."),
    ],
)
def test_the_far_sides_words_are_kept(name: str, words: str) -> None:
    """Whoever asks why, reads what the other server said."""
    assert _one(_notice(name)).diagnostic == words


def test_hostile_words_are_made_harmless() -> None:
    """Line breaks and escapes of a stranger's server do not reach a log or a terminal; lengths are bounded."""
    hostile = {"emailAddress": READER, "status": "5.1.1", "diagnosticCode": "a\r\nb\x1b[2J" + "x" * 9_000}
    event = _one(_notice("Bounce", bouncedRecipients=[hostile]))
    assert event.diagnostic.startswith("a b\ufffd[2J")
    assert len(event.diagnostic.encode()) <= 4_096


@pytest.mark.parametrize("value", ["", "x" * 257, "a b", "ä", "msg_1\n"])
def test_a_tag_that_is_not_ours_is_no_correlation(value: str) -> None:
    """What SES would not allow in a tag was not put there by us."""
    tags = {"kakitome_message": [value], "kakitome_attempt": []}
    event = _one(_notice("Send", mail=dict(MAIL, tags=tags)))
    assert (event.message, event.attempt) == (None, None)


@pytest.mark.parametrize(
    "greeting",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        b"Successfully validated SNS topic for Amazon SES event publishing.\n",
        '{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have successfully subscribed"}',
    ],
)
def test_a_topics_greeting_tells_nothing(greeting: str | bytes) -> None:
    """SES says hello to a new topic in plain text or JSON; neither is an error."""
    assert parse_ses(greeting, NOW) == []


@pytest.mark.parametrize("mail", [None, "gone", {"messageId": 7}, {"timestamp": "never"}])
def test_an_unknown_type_survives_an_unknown_form(mail: object) -> None:
    """A type of tomorrow may have other insides; time and id are then left open, the bytes kept."""
    payload = msgspec.json.encode({"eventType": "Teleport", "mail": mail})
    event = _one(payload)
    assert (event.kind, event.at, event.provider_message_id) == (EventKind.UNKNOWN, NOW, "")
    assert bytes(event.raw) == payload


def test_new_fields_do_no_harm() -> None:
    """SES says that fields may be added."""
    assert _one(_notice("Bounce", mood="sad")).key == _one(_notice("Bounce")).key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00.001Z", 1),
        ("2016-02-17T08:56:03.795Z", 1_455_699_363_795),
        ("2016-02-17T17:56:03.795+09:00", 1_455_699_363_795),
        ("2016-02-17T08:56:03", 1_455_699_363_000),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_times(text: str, expected: int) -> None:
    """ISO 8601 with any offset, exactly; without one it is UTC."""
    assert milliseconds(text) == expected


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_read_or_refused(payload: bytes | str) -> None:
    """Nothing that arrives makes the parser fail in another way."""
    try:
        parse_ses(payload, NOW)
    except EventUnreadable as refused:
        assert refused.remedy


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(["mail", "detail"]), st.text(max_size=12), _json)
def test_any_change_is_read_or_refused(name: str, where: str, field: str, value: Any) -> None:
    """One field of a real notification replaced by anything: at least one event, or a refusal."""
    keys = sorted(MAIL if where == "mail" else DETAILS[name]) or ["timestamp"]
    key = keys[len(field) % len(keys)]
    payload = _notice(name, mail={**MAIL, key: value}) if where == "mail" else _notice(name, **{key: value})
    try:
        assert parse_ses(payload, NOW)
    except EventUnreadable as refused:
        assert refused.remedy
