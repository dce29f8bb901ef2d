"""Events as they lie with their message, or with what they are about until that is known."""

from __future__ import annotations

import msgspec

from kakitome.core.engagement import touch_of
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.ids import Fence, MessageId
from kakitome.ledgers.memory.book import EventBook


class StoredEvent(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """`raw`: which batch of events has it as it came, and where in it. `machine`: of an open or click, what its own
    JSON says of a machine (see `core.engagement.Touch.reason`); None where it is no touch."""

    key: str
    kind: EventKind
    at: int
    received: int
    fence: int | None
    hash: int | None
    provider: str
    provider_message_id: str = ""
    recipient: str | None = None
    raw: tuple[str, int] | None = None
    permanence: Permanence | None = None
    bounce_class: BounceClass | None = None
    complaint: str | None = None
    diagnostic: str = ""
    link: str | None = None
    message: str | None = None
    attempt: str | None = None
    machine: str | None = None


def stored_event(kept: EventBook, raw: tuple[str, int] | None) -> StoredEvent:
    e = kept.event
    return StoredEvent(
        key=e.key,
        kind=e.kind,
        at=e.at,
        received=kept.received,
        fence=kept.fence,
        hash=kept.hash,
        provider=e.provider,
        provider_message_id=e.provider_message_id,
        recipient=e.recipient,
        raw=raw,
        permanence=e.permanence,
        bounce_class=e.bounce_class,
        complaint=e.complaint,
        diagnostic=e.diagnostic,
        link=e.link,
        message=e.message,
        attempt=e.attempt,
        machine=kept.touch.reason if kept.touch else None,
    )


def event_book(s: StoredEvent, message: MessageId | None) -> EventBook:
    """Without the provider's JSON, which lies elsewhere."""
    event = Event(
        key=s.key,
        kind=s.kind,
        at=s.at,
        provider=s.provider,
        provider_message_id=s.provider_message_id,
        recipient=s.recipient,
        message=s.message,
        attempt=s.attempt,
        permanence=s.permanence,
        bounce_class=s.bounce_class,
        complaint=s.complaint,
        diagnostic=s.diagnostic,
        link=s.link,
    )
    fence = None if s.fence is None else Fence(s.fence)
    touch = touch_of(event) if s.machine is not None else None
    touch = msgspec.structs.replace(touch, reason=s.machine) if touch else None
    return EventBook(event, s.hash, s.received, message if fence is not None else None, fence, touch, looked=True)
