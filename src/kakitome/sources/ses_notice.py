"""What SES wrote: its JSON, opened and checked, and nothing read into it yet.

Provider page: developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS". Event publishing
(`eventType`) and the older identity notifications (`notificationType`) have the same insides.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec

from kakitome.core.event import EventKind
from kakitome.sources import EventUnreadable

MESSAGE_LIMIT: Final = 256 * 1024
"""Bytes; SNS carries no more."""

# eventType or notificationType → our kind, and the object that tells the rest.
KINDS: Final[dict[str, tuple[EventKind, str]]] = {
    "Send": (EventKind.SENT, "send"),
    "Delivery": (EventKind.DELIVERED, "delivery"),
    "DeliveryDelay": (EventKind.DELAYED, "deliveryDelay"),
    "Bounce": (EventKind.BOUNCED, "bounce"),
    "Complaint": (EventKind.COMPLAINED, "complaint"),
    "Reject": (EventKind.REJECTED, "reject"),
    "Open": (EventKind.OPENED, "open"),
    "Click": (EventKind.CLICKED, "click"),
    "Rendering Failure": (EventKind.RENDERING_FAILED, "failure"),
    "Subscription": (EventKind.UNKNOWN, "subscription"),  # what it means stands inside (`_subscription_kind`)
}

# What SES publishes when a topic is connected. The first is no JSON at all.
_TOPIC_VALIDATED: Final = b"Successfully validated SNS topic for Amazon SES"
_TOPIC_SUBSCRIBED: Final = "AmazonSnsSubscriptionSucceeded"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Recipient(msgspec.Struct, rename="camel"):
    email_address: str
    status: str | None = None
    diagnostic_code: str | None = None


class _Preferences(msgspec.Struct, rename="camel"):
    unsubscribe_all: bool = False


class Detail(msgspec.Struct, rename="camel"):
    """The inner objects of all types; their fields do not clash. Anything but these is left to `Event.raw`."""

    timestamp: str | None = None
    feedback_id: str | None = None
    bounce_type: str | None = None
    bounce_sub_type: str | None = None
    bounced_recipients: list[Recipient] | None = None
    complaint_sub_type: str | None = None
    complaint_feedback_type: str | None = None
    complained_recipients: list[Recipient] | None = None
    delayed_recipients: list[Recipient] | None = None
    delay_type: str | None = None
    recipients: list[str] | None = None
    smtp_response: str | None = None
    reason: str | None = None
    error_message: str | None = None
    user_agent: str | None = None
    link: str | None = None
    new_topic_preferences: _Preferences | None = None
    old_topic_preferences: _Preferences | None = None


class Mail(msgspec.Struct, rename="camel"):
    message_id: str = ""
    timestamp: str | None = None
    destination: list[str] | None = None
    tags: dict[str, list[str]] | None = None


class Notice(msgspec.Struct):
    """A notification, opened."""

    name: str
    kind: EventKind
    detail: Detail
    mail: Mail
    raw: bytes


def open_notice(message: bytes | str) -> Notice | None:
    """The notification in `message`, or `None` for the greeting of a newly connected topic.

    Raises `EventUnreadable` for anything that is not an SES notification. A type that we do not know is none of that.
    """
    raw = _bounded_bytes(message)
    if raw.lstrip().startswith(_TOPIC_VALIDATED):
        return None
    parts = _decode(raw, dict[str, msgspec.Raw], "a JSON object")
    name = _type_name(parts)
    if name == _TOPIC_SUBSCRIBED:
        return None
    return _known(name, parts, raw) if name in KINDS else _unknown(name, parts, raw)


def _known(name: str, parts: dict[str, msgspec.Raw], raw: bytes) -> Notice:
    kind, inside = KINDS[name]
    if inside not in parts or "mail" not in parts:
        raise unreadable(f"an SES {name} event with its parts")
    detail = _decode(parts[inside], Detail, f"an SES {name} event")
    mail = _decode(parts["mail"], Mail, "SES's account of a mail")
    if not mail.message_id:
        raise unreadable("SES's account of a mail with its id")
    if name == "Subscription":
        kind = _subscription_kind(detail)
    elif kind is EventKind.COMPLAINED and detail.complaint_sub_type == "OnAccountSuppressionList":
        kind = EventKind.REJECTED  # nobody complained of this mail: SES held it back because of an old complaint
    return Notice(name, kind, detail, mail, raw)


def _unknown(name: str, parts: dict[str, msgspec.Raw], raw: bytes) -> Notice:
    try:
        mail = _decode(parts["mail"], Mail, "") if "mail" in parts else Mail()
    except EventUnreadable:
        mail = Mail()
    return Notice(name, EventKind.UNKNOWN, Detail(), mail, raw)


def _subscription_kind(detail: Detail) -> EventKind:
    """Only leaving or coming back altogether is our business; a change of topics is kept as unknown."""
    new, old = detail.new_topic_preferences, detail.old_topic_preferences
    if new is not None and new.unsubscribe_all:
        return EventKind.UNSUBSCRIBED
    return EventKind.RESUBSCRIBED if old is not None and old.unsubscribe_all else EventKind.UNKNOWN


def milliseconds(text: str) -> int:
    """ISO 8601 to milliseconds since 1970; without a zone it is UTC. Raises `EventUnreadable`."""
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise unreadable("an event with a time that can be read") from error


def _type_name(parts: dict[str, msgspec.Raw]) -> str:
    given = parts.get("eventType") or parts.get("notificationType")
    if given is None:
        raise unreadable("an SES notification, which has an eventType or a notificationType")
    return _decode(given, str, "the type of an SES notification")


_T = TypeVar("_T")


def _decode(data: bytes | msgspec.Raw, type_: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise unreadable(what) from error


def _bounded_bytes(message: bytes | str) -> bytes:
    try:
        raw = message.encode() if isinstance(message, str) else bytes(message)
    except UnicodeEncodeError as error:
        raise unreadable("text in UTF-8") from error
    if len(raw) > MESSAGE_LIMIT:
        raise unreadable("an SES notification of reasonable size")
    return raw


def unreadable(what: str) -> EventUnreadable:
    return EventUnreadable(f"This is not {what}.", "It is kept in quarantine; compare it with the provider's pages.")
