"""The form of an SNS envelope, and the exact bytes that its signature is about. Pure.

Provider page: SNS developer guide, "Verifying the signatures of Amazon SNS messages".
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Final, Literal

import msgspec

from kakitome.core.errors import EventRefused
from kakitome.sources import EventUnreadable
from kakitome.sources.ses_notice import milliseconds

_SIGNATURE_LIMIT: Final = 1024  # base64; RSA-4096 makes 684


class Why(StrEnum):
    """Which check failed: for the log and the operator (`EventRefused.data["why"]`), never for the caller."""

    SIZE = "size"
    FORM = "form"  # no SNS envelope: a raw delivery, a stranger's JSON, a field missing
    TOPIC = "topic"  # not on the allow-list
    HEADERS = "headers"  # headers and body contradict each other
    AGE = "age"
    VERSION = "version"  # a signature version that is unknown, or 1 where it was not allowed
    CERTIFICATE = "certificate"  # from an address that is not AWS's, not valid at that time, not RSA
    SIGNATURE = "signature"


class Notification(msgspec.Struct, frozen=True):
    """What a topic of ours published; `message` is as the publisher wrote it. `id` is the same on every retry."""

    topic: str
    id: str
    at: int
    message: str


class Confirmation(msgspec.Struct, frozen=True):
    """Somebody asks to connect (or has disconnected) a topic of ours with this endpoint. Nothing was done about it."""

    topic: str
    id: str
    at: int
    token: str
    wants: Literal["subscribe", "unsubscribe"]


class Envelope(msgspec.Struct, rename="pascal"):
    """As it came. Unknown fields are ignored: they are not signed either."""

    type: Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


_NOTIFICATION: Final = (
    ("Message", "message"),
    ("MessageId", "message_id"),
    ("Subject", "subject"),
    ("Timestamp", "timestamp"),
    ("TopicArn", "topic_arn"),
    ("Type", "type"),
)
_CONFIRMATION: Final = (
    ("Message", "message"),
    ("MessageId", "message_id"),
    ("SubscribeURL", "subscribe_url"),
    ("Timestamp", "timestamp"),
    ("Token", "token"),
    ("TopicArn", "topic_arn"),
    ("Type", "type"),
)


_SIGNED: Final = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


def refused(why: Why, **data: object) -> EventRefused:
    """One sentence for every cause: a caller who may not speak to us learns nothing about how he failed. `data` is for
    the log."""
    return EventRefused(
        "This event does not prove where it comes from, so nothing of it was stored.",
        "The log of the instance names the check that failed.",
        why=why,
        **data,
    )


def open_envelope(body: bytes, limit: int) -> Envelope:
    """The envelope in `body`, not proved yet. Raises `EventRefused` for anything else, raw deliveries included."""
    if len(body) > limit:
        raise refused(Why.SIZE)
    try:
        return msgspec.json.decode(body, type=Envelope)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise refused(Why.FORM) from error


def published_at(envelope: Envelope) -> int:
    """`Timestamp` in milliseconds. Raises `EventRefused`."""
    try:
        return milliseconds(envelope.timestamp)
    except EventUnreadable as error:
        raise refused(Why.FORM) from error


def signed_bytes(envelope: Envelope) -> bytes:
    """The canonical string: name and value on a line each, in the order of the names; an absent Subject is left out.

    Raises `EventRefused` where another field is missing.
    """
    lines = []
    for name, field in _SIGNED[envelope.type]:
        value = getattr(envelope, field)
        if value is None and name != "Subject":
            raise refused(Why.FORM)
        if value is not None:
            lines.append(f"{name}\n{value}\n")
    return "".join(lines).encode()


def signature(envelope: Envelope) -> bytes:
    """Raises `EventRefused` for what is not strict base64."""
    if len(envelope.signature) > _SIGNATURE_LIMIT:
        raise refused(Why.SIGNATURE)
    try:
        return base64.b64decode(envelope.signature.encode(), validate=True)
    except binascii.Error as error:
        raise refused(Why.SIGNATURE) from error


def contents(envelope: Envelope) -> Notification | Confirmation:
    """What a proved envelope says."""
    e, at = envelope, published_at(envelope)
    if e.type == "Notification":
        return Notification(e.topic_arn, e.message_id, at, e.message)
    wants: Literal["subscribe", "unsubscribe"] = "subscribe" if e.type == "SubscriptionConfirmation" else "unsubscribe"
    return Confirmation(e.topic_arn, e.message_id, at, e.token or "", wants)
