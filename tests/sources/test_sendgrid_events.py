"""SendGrid's events, after the examples of its page "Event Webhook Reference"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.delivery import suppresses
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.sources import EventUnreadable
from kakitome.sources.sendgrid import KINDS, MOST_EVENTS, read_sendgrid
from kakitome.testing.sources import SourceContract

NOW = 1_700_000_000_000
READER = "example@test.com"
COMMON: dict[str, Any] = {
    "email": READER,
    "timestamp": 1513299569,
    "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    "category": ["cat facts"],
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "kakitome_message": "msg_1v5w0k3m9q2ab",
    "kakitome_attempt": "1",
}
AGENT = "Mozilla/4.0 (compatible; MSIE 6.1; Windows XP; .NET CLR 1.1.4322; .NET CLR 2.0.50727)"

SAMPLES: dict[str, dict[str, Any]] = {
    "processed": {"event": "processed", "send_at": 1513299570},
    "deferred": {"event": "deferred", "ip": "168.1.1.1", "response": "400 try again later", "attempt": "5"},
    "delivered": {"event": "delivered", "ip": "168.1.1.1", "response": "250 OK", "tls": 1},
    "open": {"event": "open", "useragent": AGENT, "ip": "255.255.255.255", "sg_machine_open": True},
    "click": {"event": "click", "useragent": AGENT, "ip": "255.255.255.255", "url": "http://www.sendgrid.com/"},
    "bounce": {
        "event": "bounce",
        "bounce_classification": "Invalid Address",
        "reason": "500 unknown recipient",
        "status": "5.0.0",
        "type": "bounce",
    },
    "blocked": {"event": "bounce", "reason": "IP blocked: poor reputation", "status": "5.7.1", "type": "blocked"},
    "dropped": {"event": "dropped", "reason": "Bounced Address", "status": "5.0.0"},
    "spamreport": {"event": "spamreport"},
    "unsubscribe": {"event": "unsubscribe"},
    "group_unsubscribe": {"event": "group_unsubscribe", "useragent": AGENT, "asm_group_id": 10, "url": "http://a/"},
    "group_resubscribe": {"event": "group_resubscribe", "useragent": AGENT, "asm_group_id": 10, "url": "http://a/"},
}


def told(name: str, **changes: Any) -> dict[str, Any]:
    """A sample with its id, without what a change sets to None."""
    merged = {**COMMON, "sg_event_id": f"ID-{name}", **SAMPLES.get(name, {"event": name}), **changes}
    return {key: value for key, value in merged.items() if value is not None}


def post(*events: dict[str, Any]) -> bytes:
    return json.dumps(events, ensure_ascii=False).encode()


def read(*events: dict[str, Any]) -> list[Event]:
    found, poison = read_sendgrid(post(*events), NOW)
    assert poison == []
    return found


def one(name: str, **changes: Any) -> Event:
    [event] = read(told(name, **changes))
    return event


class TestSendGrid(SourceContract):
    """The contract of event sources; one that cannot be read is raised here."""

    def parse(self, payload: bytes, now: int) -> list[Event]:
        events, poison = read_sendgrid(payload, now)
        for unreadable in poison:
            raise unreadable.error
        return events

    def samples(self) -> Mapping[str, bytes]:
        return {name: post(told(name)) for name in SAMPLES}

    def unknown(self) -> bytes:
        return post({**told("carrier_pigeon", timestamp=None), "wings": 2})

    def malformed(self) -> Iterable[bytes]:
        yield from (
            b"",
            b"{}",
            b"null",
            b"[1]",
            b'["delivered"]',
            b"[{}]",
            b'[{"event":5}]',
            b'[{"event":null}]',
            b"\xff",
        )
        yield post(told("delivered", timestamp="1513299569"))
        yield post(told("delivered", timestamp=-1))
        yield post(told("delivered", timestamp=10**18))
        yield post(told("delivered", timestamp=True))
        yield post(told("delivered", email=["a@example.com"]))
        yield post(told("delivered", email=None))
        yield post(told("bounce", status=5.0))
        yield b"[" * 100_000

    def correlation(self) -> tuple[str, str]:
        return COMMON["kakitome_message"], COMMON["kakitome_attempt"]


def test_each_type_has_its_sample() -> None:
    """Nothing of the table is untested."""
    assert {sample["event"] for sample in SAMPLES.values()} == set(KINDS)
    assert {KINDS[sample["event"]] for sample in SAMPLES.values()} == {one(name).kind for name in SAMPLES}


@pytest.mark.parametrize(
    ("given", "id"),
    [
        ("14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", "14c5d75ce93.dfd.64b469"),
        ("euo2iKxdSayPF4YE4--I7A.recvd-5f54b5d587-pczjm-1-67BADEEA-6.0", "euo2iKxdSayPF4YE4--I7A"),
        ("iXC3x1zoTYWqBaGd_f7oYg.something-new.0", "iXC3x1zoTYWqBaGd_f7oYg"),
        ("sg_message_id", "sg_message_id"),
        (None, ""),  # an asynchronous bounce has none
    ],
)
def test_the_message_id_begins_with_the_one_of_the_answer(given: str | None, id: str) -> None:
    """X-Message-Id is what stands before the machine's name, also where it has dots itself."""
    assert one("delivered", sg_message_id=given).provider_message_id == id


@pytest.mark.parametrize(
    ("changes", "permanence", "why"),
    [
        ({}, Permanence.PERMANENT, BounceClass.INVALID_RECIPIENT),
        ({"type": "blocked"}, Permanence.TRANSIENT, BounceClass.INVALID_RECIPIENT),
        ({"type": "expired"}, Permanence.UNDETERMINED, BounceClass.INVALID_RECIPIENT),
        ({"type": None}, Permanence.UNDETERMINED, BounceClass.INVALID_RECIPIENT),
        ({"status": None, "reason": "?"}, Permanence.PERMANENT, BounceClass.INVALID_RECIPIENT),
        ({"reason": "552 mailbox full"}, Permanence.PERMANENT, BounceClass.MAILBOX_FULL),
        ({"reason": "?", "bounce_classification": "Content"}, Permanence.PERMANENT, BounceClass.SPAM_CONTENT),
        ({"reason": "?", "bounce_classification": "Unclassified"}, Permanence.PERMANENT, BounceClass.OTHER),
        ({"reason": None, "bounce_classification": None}, Permanence.PERMANENT, BounceClass.OTHER),
    ],
)
def test_bounces_are_judged(changes: dict[str, Any], permanence: Permanence, why: BounceClass) -> None:
    """SendGrid's type says how final; status and words say why, and its classification where they do not."""
    event = one("bounce", **changes)
    assert (event.permanence, event.bounce_class) == (permanence, why)


@pytest.mark.parametrize(
    ("reason", "suppressing"),
    [
        ("Bounced Address", True),
        ("Unsubscribed Address", True),
        ("Spam Reporting Address", True),
        ("Invalid", True),
        ("Invalid SMTPAPI header", False),
        ("Spam Content (if Spam Checker app enabled)", False),
        ("Recipient List over Package Quota", False),
        ("Something new", False),
        (None, False),
    ],
)
def test_what_was_dropped_says_whose_list_lags_behind(reason: str | None, suppressing: bool) -> None:
    """SendGrid's own lists suppress with us, too; a reason that is about the mail or the account does not."""
    event = one("dropped", reason=reason)
    assert event.kind is EventKind.REJECTED
    assert suppresses(event) == ("provider" if suppressing else None)


def test_what_suppresses() -> None:
    """Permanent bounces, complaints and unsubscribing, under their own reasons."""
    found = {name: suppresses(one(name)) for name in SAMPLES}
    assert {name: reason for name, reason in found.items() if reason} == {
        "bounce": "bounce",
        "dropped": "provider",
        "spamreport": "complaint",
        "unsubscribe": "unsubscribe",
        "group_unsubscribe": "unsubscribe",
    }


def test_machine_opens_keep_their_mark() -> None:
    """`sg_machine_open` stands in what is kept."""
    assert json.loads(bytes(one("open").raw))["sg_machine_open"] is True
    assert one("click").link == "http://www.sendgrid.com/"


def test_the_key_is_sendgrids_own() -> None:
    """Equal ids are one happening, whatever else differs; without one the event itself is the key."""
    assert one("delivered").key == one("delivered", response="251 OK").key
    anonymous = one("delivered", sg_event_id=None)
    assert anonymous.key == one("delivered", sg_event_id=None).key
    assert len({anonymous.key, one("delivered").key, one("delivered", sg_event_id=None, response="251").key}) == 3


def test_account_events_are_kept() -> None:
    """They are about no mail; an odd field of theirs makes nothing unreadable."""
    [event] = read(
        {"event": "account_status_change", "type": "compliance_suspend", "timestamp": 1513299569, "email": 5}
    )
    assert (event.kind, event.at, event.recipient) == (EventKind.UNKNOWN, 1_513_299_569_000, None)


def test_siblings_are_named_together() -> None:
    """Ids and attempts come through as they were sent; what is not ours does not."""
    event = one("delivered", kakitome_message="msg_1 msg_2", kakitome_attempt="1 1")
    assert (event.message, event.attempt) == ("msg_1 msg_2", "1 1")
    for strange in ("msg_1\nmsg_2", "", " msg_1", "msg_1; drop", "é"):
        assert one("delivered", kakitome_message=strange).message is None


def test_one_bad_event_keeps_no_other_back() -> None:
    """The readable ones in their order, and the others as they came."""
    events, poison = read_sendgrid(
        post(told("open"), {"event": 5}, told("click"), told("delivered", timestamp=None)), NOW
    )
    assert [event.kind for event in events] == [EventKind.OPENED, EventKind.CLICKED]
    assert [json.loads(one.raw)["event"] for one in poison] == [5, "delivered"]


def test_too_many_are_not_read() -> None:
    """Nobody honest posts so many at once."""
    assert len(read_sendgrid(b"[" + b",".join([b'{"event":"x"}'] * MOST_EVENTS) + b"]", NOW)[0]) == MOST_EVENTS
    with pytest.raises(EventUnreadable):
        read_sendgrid(b"[" + b",".join([b"1"] * (MOST_EVENTS + 1)) + b"]", NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(SAMPLES)), st.dictionaries(st.sampled_from([*COMMON, *SAMPLES["bounce"]]), JSON))
def test_any_field_may_be_anything(name: str, changes: dict[str, Any]) -> None:
    """Each event is read or set aside, and nothing else happens."""
    events, poison = read_sendgrid(json.dumps([told(name) | changes, told("open")]).encode(), NOW)
    assert len(events) + len(poison) == 2


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    """Never an error that is not ours."""
    try:
        read_sendgrid(body, NOW)
    except EventUnreadable as error:
        assert error.what
