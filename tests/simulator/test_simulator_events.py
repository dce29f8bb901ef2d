"""Events: signed as SNS signs, told as SES tells, at least once."""

from __future__ import annotations

import json
import socket
import urllib.error
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from playground import READER, SENDER, HandClock, Stage, Subscriber, mail, stage, subscriber, verify

from kakitome_simulator.fate import Turn, fate

AT_SES = "simulator.amazonses.com"


def by_type(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {event["eventType"]: event for event in events}


def test_an_event_comes_in_a_signed_sns_envelope() -> None:
    """Headers and fields are SNS's, the signature verifies with the served certificate, and not after a change."""
    with subscriber() as inbox, stage(events_urls=(inbox.url,)) as simulator:
        simulator.send()
        headers, body = inbox.post()
        envelope = json.loads(body)
        certificate = simulator.remote.certificate()
        assert envelope["SigningCertURL"] == f"{simulator.remote.url}/_simulator/certificate.pem"
    assert headers["x-amz-sns-message-type"] == envelope["Type"] == "Notification"
    assert headers["x-amz-sns-topic-arn"] == envelope["TopicArn"]
    assert headers["x-amz-sns-message-id"] == envelope["MessageId"]
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert envelope["SignatureVersion"] == "2"
    assert envelope["UnsubscribeURL"].endswith(headers["x-amz-sns-subscription-arn"])
    verify(envelope, certificate)
    with pytest.raises(InvalidSignature):
        verify(envelope | {"Message": envelope["Message"].replace(READER, "other@example.com")}, certificate)


def test_send_and_delivery_carry_our_tags() -> None:
    """`mail` holds what SES tells of a mail: ids, source, destination, header, tags of ours and of SES."""
    fields = {
        "X_SES_MESSAGE_TAGS": "kakitome_message=m1, kakitome_attempt=a1",
        "X_SES_CONFIGURATION_SET": "set",
        "Message_ID": "<ours@example.com>",
    }
    with subscriber() as inbox, stage(events_urls=(inbox.url,)) as simulator:
        simulator.send("a@example.com", "b@example.com", **fields)
        events = inbox.events(3)
        line = simulator.simulator.accepted[0]
    deliveries = [event["delivery"]["recipients"] for event in events if event["eventType"] == "Delivery"]
    assert sorted(deliveries) == [["a@example.com"], ["b@example.com"]]
    assert by_type(events)["Send"]["send"] == {}
    for event in events:
        told = event["mail"]
        assert (told["messageId"], told["source"]) == (line.provider_message_id, SENDER)
        assert told["destination"] == ["a@example.com", "b@example.com"]
        assert (told["tags"]["kakitome_message"], told["tags"]["kakitome_attempt"]) == (["m1"], ["a1"])
        assert told["tags"]["ses:configuration-set"] == ["set"]
        assert told["commonHeaders"]["messageId"] == "<ours@example.com>"
        assert told["commonHeaders"]["subject"] == "Hello"
        assert {"name": "To", "value": READER} in told["headers"]
        assert told["timestamp"] == line.at


@pytest.mark.parametrize(
    ("recipient", "turns"),
    [
        (f"success@{AT_SES}", [Turn.DELIVERY]),
        (f"bounce@{AT_SES}", [Turn.BOUNCE]),
        (f"Bounce+label@{AT_SES.upper()}", [Turn.BOUNCE]),
        (f"complaint@{AT_SES}", [Turn.DELIVERY, Turn.COMPLAINT]),
        (f"ooto+1@{AT_SES}", [Turn.DELIVERY, Turn.OUT_OF_OFFICE]),
        (f"suppressionlist@{AT_SES}", [Turn.SUPPRESSED]),
        ("bounce+1@simulator.example", [Turn.BOUNCE]),
        ("soft+1@play.example", [Turn.SOFT_BOUNCE]),
        ("delay+1@play.example", [Turn.DELAY, Turn.DELIVERY]),
        ("complaint+1@play.example", [Turn.DELIVERY, Turn.COMPLAINT]),
        ("bounce@play.example", [Turn.DELIVERY]),
        ("bounce+1@example.com", [Turn.DELIVERY]),
        ("taro+1@play.example", [Turn.DELIVERY]),
    ],
)
def test_the_address_decides_the_fate(recipient: str, turns: list[Turn]) -> None:
    """SES's mailbox simulator, the play domains, and everybody else."""
    assert list(fate(recipient, frozenset({"play.example"}))) == turns


def test_bounces_and_complaints_are_told_as_ses_tells_them() -> None:
    """Types, sub-types, diagnostic codes and topics; an out-of-office reply has no diagnosis."""
    names = ("bounce", "complaint", "ooto", "suppressionlist")
    with subscriber() as inbox, stage(events_urls=(inbox.url,)) as simulator:
        told: dict[str, list[dict[str, Any]]] = {}
        for name in names:
            simulator.send(f"{name}@{AT_SES}")
            told[name] = bad_news(inbox, 3 if name in {"complaint", "ooto"} else 2)
    (bounce,), (complaint,), (ooto,), (suppressed,) = (told[name] for name in names)
    assert bounce["bounce"]["bouncedRecipients"] == [
        {
            "emailAddress": f"bounce@{AT_SES}",
            "action": "failed",
            "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        }
    ]
    assert kind(bounce) == ("Permanent", "General")
    assert kind(ooto) == ("Transient", "General")
    assert ooto["bounce"]["bouncedRecipients"] == [{"emailAddress": f"ooto@{AT_SES}"}]
    assert kind(suppressed) == ("Permanent", "Suppressed")
    assert complaint["complaint"]["complainedRecipients"] == [{"emailAddress": f"complaint@{AT_SES}"}]
    assert complaint["complaint"]["complaintFeedbackType"] == "abuse"


def bad_news(inbox: Subscriber, count: int) -> list[dict[str, Any]]:
    """Of the next posts, the events that came over the topic of bounces."""
    envelopes = [json.loads(inbox.post()[1]) for _ in range(count)]
    return [json.loads(e["Message"]) for e in envelopes if e["TopicArn"].endswith(":kakitome-bounces")]


def kind(event: dict[str, Any]) -> tuple[str, str]:
    return event["bounce"]["bounceType"], event["bounce"]["bounceSubType"]


def test_a_subscriber_that_fails_gets_the_same_message_again() -> None:
    """Non-2xx answers are retried with the same bytes; nothing is given up meanwhile."""
    with subscriber(500, 503, 404) as inbox, stage(events_urls=(inbox.url,)) as simulator:
        simulator.send(f"bounce@{AT_SES}")
        posts = [inbox.post()[1] for _ in range(5)]
        ids = [json.loads(post)["MessageId"] for post in posts]
        assert len(set(ids)) == len(set(posts)) == 2
        assert simulator.remote.state()["events"]["given_up"] == 0


def test_an_event_is_given_up_after_its_time() -> None:
    """With no retry time, three quick tries are all; the state says so, and the sender never noticed."""
    with closed_port() as port, stage(events_urls=(f"http://127.0.0.1:{port}/",), events_retry_seconds=0) as simulator:
        simulator.send()
        events = settled(simulator)
    assert (events["published"], events["given_up"], events["failed_tries"], events["delivered"]) == (2, 2, 6, 0)


def test_an_event_outlives_a_long_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the quick tries it waits its turn as undelivered, and still comes."""
    monkeypatch.setattr("kakitome_simulator.delivery.SLOW_PAUSE", 0.01)
    with subscriber(*[500] * 12) as inbox, stage(events_urls=(inbox.url,)) as simulator:
        simulator.send(f"bounce@{AT_SES}")
        ids = [json.loads(inbox.post()[1])["MessageId"] for _ in range(14)]
        events = settled(simulator)
    assert len(set(ids)) == 2
    assert (events["failed_tries"], events["delivered"], events["undelivered"]) == (12, 2, 0)


def test_more_events_than_there_is_room_for_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is dropped, never waited for, and the state says how many."""
    monkeypatch.setattr("kakitome_simulator.delivery.LIMIT", 3)
    with subscriber() as inbox, stage(events_urls=(inbox.url,), event_delay=3600) as simulator:
        simulator.send("a@example.com", "b@example.com", "c@example.com")
        events = simulator.remote.state()["events"]
    assert (events["published"], events["waiting"], events["overflowed"]) == (4, 3, 1)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses: bound, so that nobody else takes it, and not listened to."""
    with closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def settled(simulator: Stage) -> dict[str, int]:
    """The tally of events once none waits any more."""
    for _ in range(10_000):
        events: dict[str, int] = simulator.remote.state()["events"]
        if not events["waiting"]:
            return events
    pytest.fail(f"events still wait: {events}")


def test_events_can_be_lost_doubled_and_delayed() -> None:
    """`lose_events` by recipient and share, `duplicate_events` with the same SNS id, delays without loss."""
    with subscriber() as inbox, stage(events_urls=(inbox.url,), seed=1) as simulator:
        simulator.remote.faults(["lose_events@recipient=lost@example.com", "duplicate_events:2@count=1"])
        simulator.send("lost@example.com")
        simulator.send(f"bounce@{AT_SES}")
        ids = [json.loads(inbox.post()[1])["MessageId"] for _ in range(4)]
        assert sorted(ids.count(one) for one in set(ids)) == [1, 3]
        assert simulator.remote.state()["events"]["lost"] == 2
        simulator.remote.faults(["reorder_events@count=1", "delay_events:0.01"])
        simulator.send(f"bounce@{AT_SES}")
        assert [event["eventType"] for event in inbox.events(2)] == ["Bounce", "Send"]
        assert inbox.nothing_more()


def test_waiting_events_are_dropped_by_a_reset() -> None:
    """After a reset no event of before comes, counts are at zero and the judge shows nothing."""
    with subscriber() as inbox, stage(events_urls=(inbox.url,), event_delay=0.1) as simulator:
        simulator.send()
        simulator.remote.reset()
        assert simulator.remote.accepted() == []
        assert simulator.remote.state()["events"]["waiting"] == 0
        simulator.send(f"bounce@{AT_SES}")
        assert {event["mail"]["destination"][0] for event in inbox.events(2)} == {f"bounce@{AT_SES}"}
        assert inbox.nothing_more()


def test_a_person_can_play_what_readers_do() -> None:
    """Opens, clicks and late bounces for an accepted mail, by its id or its recipient; 404 for others."""
    with subscriber() as inbox, stage(clock=HandClock()) as simulator:
        simulator.send(subject="Unheard")
        simulator.remote.events_to(inbox.url)
        (line,) = simulator.remote.accepted()
        link = "https://example.com/offer"
        assert simulator.remote.play("click", message_id=line.provider_message_id, link=link) == 1
        headers, body = inbox.post()
        click = json.loads(json.loads(body)["Message"])
        assert (click["eventType"], click["click"]["link"]) == ("Click", link)
        assert headers["x-amz-sns-topic-arn"].endswith(":kakitome-actions")
        for event in ("open", "bounce", "complaint", "delivery"):
            simulator.remote.play(event, recipient=READER)
            assert inbox.event()["eventType"] == event.capitalize()
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            simulator.remote.play("open", recipient="stranger@example.com")
        caught.value.close()


def test_a_long_header_is_truncated() -> None:
    """Above 10 KB SES leaves fields out and says so."""
    with subscriber() as inbox, stage(events_urls=(inbox.url,)) as simulator:
        with simulator.smtp() as client:
            client.sendmail(SENDER, [READER], b"X-Long: " + b"x" * 11_000 + b"\r\n" + mail())
        told = inbox.event()["mail"]
    assert told["headersTruncated"]
    assert told["headers"] == []
