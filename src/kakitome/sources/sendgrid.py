"""What SendGrid's Event Webhook tells about mails: posts to events, without any I/O.

A post is an array of events, each about one recipient (SendGrid's page "Event Webhook Reference"). Each is read by
itself: one that cannot be read keeps no other from being taken.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, TypeVar

import msgspec

from kakitome.core.bounce import classify_bounce
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.reply import printable
from kakitome.sources import EventUnreadable, not_of_tomorrow

PROVIDER: Final = "sendgrid"
MESSAGE_ARGUMENT: Final = "kakitome_message"
ATTEMPT_ARGUMENT: Final = "kakitome_attempt"

MOST_EVENTS: Final = 10_000
"""In one post. SendGrid gathers for some seconds, or up to some hundred kilobytes."""

KINDS: Final[dict[str, EventKind]] = {
    "processed": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DELAYED,
    "bounce": EventKind.BOUNCED,
    "dropped": EventKind.REJECTED,
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED,
    "group_resubscribe": EventKind.RESUBSCRIBED,
}

# A bounce's `type`: a bounce is on SendGrid's list from then on, a block is not. In the words of `core.bounce`.
_TYPES: Final = {"bounce": "Permanent", "blocked": "Transient", "blocked_bounce": "Transient"}

# Where the status and the words of the server say nothing ("Bounce and Block Classifications").
_CLASSIFICATIONS: Final[dict[str, BounceClass]] = {
    "invalid address": BounceClass.INVALID_RECIPIENT,
    "mailbox unavailable": BounceClass.MAILBOX_FULL,
    "technical": BounceClass.ROUTING,
    "technical failure": BounceClass.ROUTING,
    "content": BounceClass.SPAM_CONTENT,
    "reputation": BounceClass.SPAM_BLOCK,
    "frequency or volume too high": BounceClass.QUOTA,
}

# Why SendGrid held a mail back. Its own lists say that the address must not be written to: ours lags behind them.
_DROPPED: Final[tuple[tuple[str, BounceClass], ...]] = (
    ("bounced address", BounceClass.SUPPRESSED),
    ("unsubscribed address", BounceClass.SUPPRESSED),
    ("spam reporting address", BounceClass.SUPPRESSED),
    ("invalid smtpapi header", BounceClass.OTHER),  # ours to put right, and not the address's fault
    ("invalid", BounceClass.SUPPRESSED),
    ("spam content", BounceClass.SPAM_CONTENT),
    ("recipient list over package quota", BounceClass.QUOTA),
)

_IDS: Final = re.compile(r"[A-Za-z0-9_]{1,64}(?: [A-Za-z0-9_]{1,64}){0,999}")  # of siblings, several
# X-Message-Id is what stands before the name of the machine that filtered the mail.
_MESSAGE_ID: Final = re.compile(r"(?P<id>.*?)\.(?:filter|recvd)|(?P<first>[^.]*)")
_LIMIT: Final = 512
_LINK_LIMIT: Final = 4096
_LATEST: Final = 4_102_444_800  # seconds; the year 2100


class _Told(msgspec.Struct):
    """What we read of an event; the rest is left to `Event.raw`. Types are strict: a number is no text."""

    event: str
    email: str | None = None
    timestamp: int | None = None
    sg_event_id: str | None = None
    sg_message_id: str | None = None
    kakitome_message: str | None = None
    kakitome_attempt: str | None = None
    type: str | None = None
    status: str | None = None
    reason: str | None = None
    response: str | None = None
    bounce_classification: str | None = None
    url: str | None = None
    useragent: str | None = None


class _Unknown(msgspec.Struct):
    """A type of tomorrow, or of another product: only that it is an event of some kind is asked."""

    event: str
    email: object = None
    timestamp: object = None
    sg_event_id: object = None
    sg_message_id: object = None
    kakitome_message: object = None
    kakitome_attempt: object = None


class Unreadable(msgspec.Struct, frozen=True):
    """One element of a post that is no event of SendGrid's, as it came, and why."""

    raw: bytes
    error: EventUnreadable


def read_sendgrid(body: bytes, now_ms: int) -> tuple[list[Event], list[Unreadable]]:
    """The events of a verified post in its own order, and what of it cannot be read.

    A type that SendGrid adds tomorrow, or one about the account, becomes an `UNKNOWN` event with everything in `raw`;
    `now_ms` stands in where it gives no time. Raises `EventUnreadable` where the post as a whole is no array of events.
    """
    try:
        parts = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable("an array of SendGrid's events") from error
    if len(parts) > MOST_EVENTS:
        raise _unreadable(f"a post of at most {MOST_EVENTS} events")
    events: list[Event] = []
    poison: list[Unreadable] = []
    for part in parts:
        raw = bytes(part)
        try:
            events.append(_event(raw, now_ms))
        except EventUnreadable as error:
            poison.append(Unreadable(raw, error))
    return events, poison


def _event(raw: bytes, now_ms: int) -> Event:
    name = _decoded(raw, _Unknown).event
    if name not in KINDS:
        return _unknown(raw, now_ms)
    told, kind = _decoded(raw, _Told), KINDS[name]
    if told.timestamp is None or not 0 < told.timestamp < _LATEST:
        raise _unreadable(f"SendGrid's {printable(name, 64)} event with its time")
    if not told.email:
        raise _unreadable(f"SendGrid's {printable(name, 64)} event with its recipient")
    permanence, why = _judged(kind, told)
    return Event(
        key=_key(told.sg_event_id, raw),
        kind=kind,
        at=not_of_tomorrow(told.timestamp * 1000, now_ms),
        provider=PROVIDER,
        provider_message_id=_message_id(told.sg_message_id or ""),
        recipient=printable(told.email, _LIMIT),
        message=_ids(told.kakitome_message),
        attempt=_ids(told.kakitome_attempt),
        permanence=permanence,
        bounce_class=why,
        complaint="abuse" if kind is EventKind.COMPLAINED else None,
        diagnostic=printable(told.reason or told.response or told.status or told.useragent or ""),
        link=printable(told.url, _LINK_LIMIT) if told.url else None,
        raw=msgspec.Raw(raw),
    )


def _unknown(raw: bytes, now_ms: int) -> Event:
    told = _decoded(raw, _Unknown)
    at, email = told.timestamp, told.email
    known = isinstance(at, int) and not isinstance(at, bool) and 0 < at < _LATEST
    return Event(
        key=_key(_text(told.sg_event_id), raw),
        kind=EventKind.UNKNOWN,
        at=not_of_tomorrow(at * 1000, now_ms) if known and isinstance(at, int) else now_ms,
        provider=PROVIDER,
        provider_message_id=_message_id(_text(told.sg_message_id) or ""),
        recipient=printable(email, _LIMIT) if isinstance(email, str) and email else None,
        message=_ids(_text(told.kakitome_message)),
        attempt=_ids(_text(told.kakitome_attempt)),
        raw=msgspec.Raw(raw),
    )


def _judged(kind: EventKind, told: _Told) -> tuple[Permanence | None, BounceClass | None]:
    reason = printable(told.reason or "")
    if kind is EventKind.REJECTED:
        words = reason.lower()
        return None, next((why for start, why in _DROPPED if words.startswith(start)), BounceClass.OTHER)
    if kind is not EventKind.BOUNCED:
        return None, None
    permanence, why = classify_bounce(_TYPES.get(told.type or "", ""), None, told.status, reason)
    if why is BounceClass.OTHER:
        why = _CLASSIFICATIONS.get((told.bounce_classification or "").lower(), why)
    return permanence, why


def _key(event_id: str | None, raw: bytes) -> str:
    """SendGrid's own id of the happening, else what it says. Hashed: keys go into logs, and an id may be anything."""
    happening = b"id\0" + event_id.encode("utf-8", "replace") if event_id else b"raw\0" + raw
    return f"{PROVIDER}:{hashlib.sha256(happening).hexdigest()[:40]}"


def _message_id(text: str) -> str:
    found = _MESSAGE_ID.match(printable(text, _LIMIT))
    return (found["id"] or found["first"] or "") if found else ""


def _ids(text: str | None) -> str | None:
    return text if text is not None and _IDS.fullmatch(text) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


_Read = TypeVar("_Read", _Told, _Unknown)


def _decoded(raw: bytes, kind: type[_Read]) -> _Read:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable("an event of SendGrid's") from error


def _unreadable(what: str) -> EventUnreadable:
    return EventUnreadable(f"This is not {what}.", "It is kept in quarantine; compare it with the provider's pages.")
