"""What stands in a queue or in a function's input: SNS's three forms, and what is none of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.event import EventKind
from kakitome.sources.sns_records import BODY_LIMIT, read

NOW = 1_700_000_000_000
TOPIC, THEIRS = "arn:aws:sns:eu-west-1:123456789012:ours", "arn:aws:sns:eu-west-1:123456789012:theirs"
BOUNCE = (Path(__file__).parents[1] / "samples" / "ses-bounce-notification.json").read_text()
GREETING = "Successfully validated SNS topic for Amazon SES event publishing."


def wrapped(message: str = BOUNCE, topic: str = TOPIC, **more: Any) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": topic, "Message": message, **more})


def records(*messages: str, topic: str = TOPIC) -> str:
    """A Lambda function's input."""
    each = [{"EventSource": "aws:sns", "Sns": {"TopicArn": topic, "Message": message}} for message in messages]
    return json.dumps({"Records": each})


@pytest.mark.parametrize("body", [wrapped(), BOUNCE, records(BOUNCE), wrapped().encode(), BOUNCE.encode()])
def test_out_of_a_queue(body: str | bytes) -> None:
    """In an envelope, raw, or as a function's record: the same one event, under the same key."""
    (event,) = read(body, [TOPIC], NOW).events
    assert event.kind is EventKind.BOUNCED
    assert event == read(BOUNCE, [], NOW).events[0]


def test_records_are_told_apart() -> None:
    """One that cannot be read does not take the others with it."""
    reading = read(records(BOUNCE, "poison", GREETING), [TOPIC], NOW)
    assert [len(part) for part in (reading.events, reading.unreadable, reading.greetings)] == [1, 1, 1]


@pytest.mark.parametrize("body", [wrapped(topic=THEIRS), records(BOUNCE, topic=THEIRS)])
def test_a_topic_that_is_not_on_the_list_is_kept_apart(body: str) -> None:
    """Somebody let another topic write into our queue: that is for a person to see, and not for the ledger. Where no
    topic is listed, the queue's policy decides."""
    reading = read(body, [TOPIC], NOW)
    assert reading.events == () and THEIRS in reading.unreadable[0]
    assert len(read(body, [], NOW).events) == 1


@pytest.mark.parametrize("body", [GREETING, wrapped(GREETING)])
def test_a_greeting_is_no_poison(body: str) -> None:
    """SES's word to a new topic is neither event nor error."""
    reading = read(body, [TOPIC], NOW)
    assert (reading.events, reading.unreadable, len(reading.greetings)) == ((), (), 1)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "null",
        '{"Type":"SubscriptionConfirmation","TopicArn":"x","Message":"y"}',
        '{"Type":"Notification","TopicArn":"x"}',
        '{"Type":7}',
        '{"Records":[]}{',
        '{"Records":[{"Sns":{}}]}',
        '{"Records":7}',
        wrapped("{"),
        "[" * 100_000,
        "x" * (BODY_LIMIT + 1),
    ],
)
def test_poison_says_what_it_is_not(body: str) -> None:
    """A sentence for the quarantine, and no event."""
    reading = read(body, [], NOW)
    assert reading.events == () and len(reading.unreadable) == 1
    assert reading.unreadable[0].endswith(".")


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_anything_can_be_read(body: str | bytes) -> None:
    """Nothing that stands in a queue makes the reader fail. Of all that is no event it knows SES's greeting."""
    reading = read(body, [], NOW)
    assert not reading.events and bool(reading.unreadable) is not bool(reading.greetings)
