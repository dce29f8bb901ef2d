"""What stands in a queue's message or a function's input: publications of SNS, in each of the three forms AWS has.

    the envelope         SNS → SQS                      {"Type": "Notification", "TopicArn", "Message", …}
    the message alone    SNS → SQS, raw delivery        {"eventType": "Bounce", …}, or SES's greeting in plain text
    a list of records    SNS → Lambda                   {"Records": [{"Sns": {"TopicArn", "Message", …}}, …]}

No signature is asked for: the queue's policy (or the function's) says who may put something there, and whoever could
get around it could leave the envelope away as well. Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from kakitome.core.reply import printable
from kakitome.ports.event_queue import Reading
from kakitome.sources import EventUnreadable
from kakitome.sources.ses import parse_ses

BODY_LIMIT: Final = 1024 * 1024
"""Bytes; SQS carries no more, Lambda's input has 256 KiB."""


class _Sns(msgspec.Struct, rename="pascal"):
    message: str
    topic_arn: str


class _Record(msgspec.Struct, rename="pascal"):
    sns: _Sns


class _Records(msgspec.Struct, rename="pascal"):
    records: list[_Record]


class _Envelope(msgspec.Struct, rename="pascal", tag_field="Type", tag="Notification"):
    message: str
    topic_arn: str


def read(body: str | bytes, topics: Collection[str], now_ms: int) -> Reading:
    """Everything that `body` says. Never raises for what somebody wrote: that is in `unreadable`.

    `topics` are the ARNs that may speak; with none, a queue is believed whatever its topic.
    """
    try:
        publications = _publications(body)
    except EventUnreadable as error:
        return Reading(unreadable=(error.what,))
    events, unreadable, greetings = [], [], []
    for topic, message in publications:
        if topic is not None and topics and topic not in topics:
            unreadable.append(f"The topic {printable(topic, 300)} is not in events.topics.")
            continue
        try:
            found = parse_ses(message, now_ms)
        except EventUnreadable as error:
            unreadable.append(error.what)
            continue
        events += found
        if not found:
            greetings.append(topic or "")
    return Reading(tuple(events), tuple(unreadable), tuple(greetings))


def _publications(body: str | bytes) -> list[tuple[str | None, str | bytes]]:
    """Topic and message of each publication. Raises `EventUnreadable` for an envelope that is none."""
    if len(body) > BODY_LIMIT:
        raise EventUnreadable("This is no event of reasonable size.")
    try:
        opened: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return [(None, body)]  # plain text is for `parse_ses` to judge
    if isinstance(opened, dict) and "Records" in opened:
        return [(record.sns.topic_arn, record.sns.message) for record in _as(opened, _Records).records]
    if isinstance(opened, dict) and "Type" in opened:
        envelope = _as(opened, _Envelope)
        return [(envelope.topic_arn, envelope.message)]
    return [(None, body)]


def _as(opened: Any, form: Any) -> Any:
    try:
        return msgspec.convert(opened, form)
    except msgspec.ValidationError as error:
        raise EventUnreadable("This is not an envelope of SNS that holds a notification.") from error
