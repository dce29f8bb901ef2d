"""What became of a mail, folded out of events that come in any order, twice, or never.

    merge(a, b) == merge(b, a)      merge(a, merge(b, c)) == merge(merge(a, b), c)      merge(a, a) == a

That holds because every field is a minimum: of times, or of bounces by gravity. So nothing depends on the order in
which a provider's queue, two webhooks and a repair job deliver the same news, and folding it all again is harmless.
The fold never says where a message is in our hands (`lifecycle`); `status_word` puts both together for people.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.lifecycle import State

Word: TypeAlias = Literal["delivered", "delayed", "rejected", "bounced", "complained", "opened", "clicked"]
Reason: TypeAlias = Literal["bounce", "complaint", "unsubscribe", "provider"]

_GRAVITY: Final[dict[Permanence, int]] = {
    Permanence.PERMANENT: 0,
    Permanence.UNDETERMINED: 1,
    Permanence.TRANSIENT: 2,
}
_PERMANENCE: Final = {gravity: permanence for permanence, gravity in _GRAVITY.items()}


class Bounce(msgspec.Struct, frozen=True, order=True, array_like=True):
    """The gravest bounce is the smallest; among equals the first one, then the first by name."""

    gravity: int
    at: int
    why: BounceClass

    @property
    def permanence(self) -> Permanence:
        return _PERMANENCE[self.gravity]


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider's earliest time for each happening, in milliseconds; `None` where there was none.

    As JSON it has only what happened: `{"delivered":1455699363795}`. `Delivery()` is "nothing heard yet".
    """

    sent: int | None = None
    delivered: int | None = None
    delayed: int | None = None
    rejected: int | None = None
    complained: int | None = None
    opened: int | None = None
    clicked: int | None = None
    bounce: Bounce | None = None


NOTHING: Final = Delivery()

# Kinds that are a field. Unsubscribing concerns the address, not this mail; unknown kinds are kept as events only.
_FIELDS: Final[dict[EventKind, str]] = {
    EventKind.SENT: "sent",
    EventKind.DELIVERED: "delivered",
    EventKind.DELAYED: "delayed",
    EventKind.REJECTED: "rejected",
    EventKind.RENDERING_FAILED: "rejected",  # taken, and then not made into a mail: it reached nobody either
    EventKind.COMPLAINED: "complained",
    EventKind.OPENED: "opened",
    EventKind.CLICKED: "clicked",
}

NOT_SPAM: Final = "not-spam"
"""RFC 6430: the reader took the mail *out* of the spam folder. The opposite of a complaint, under the same name."""


def fold(delivery: Delivery, event: Event) -> Delivery:
    """What is known after `event`, too."""
    return merge(delivery, _alone(event))


def merge(a: Delivery, b: Delivery) -> Delivery:
    """What both know together."""
    return Delivery(*(_least(getattr(a, name), getattr(b, name)) for name in Delivery.__struct_fields__))


def _alone(event: Event) -> Delivery:
    if event.kind is EventKind.BOUNCED:
        gravity = _GRAVITY[event.permanence or Permanence.UNDETERMINED]
        return Delivery(bounce=Bounce(gravity, event.at, event.bounce_class or BounceClass.OTHER))
    field = _FIELDS.get(event.kind)
    if field is None or (event.kind is EventKind.COMPLAINED and event.complaint == NOT_SPAM):
        return NOTHING
    return msgspec.structs.replace(NOTHING, **{field: event.at})


_Ordered = TypeVar("_Ordered", int, Bounce)


def _least(a: _Ordered | None, b: _Ordered | None) -> _Ordered | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


def word(delivery: Delivery) -> Word | None:
    """The one word that matters most, or `None` while nothing but the acceptance is known.

    A complaint outweighs all. A permanent bounce may come hours after "delivered" and is then the truth. Clicked,
    opened and delivered prove that a copy arrived: they outweigh a rejection (of another attempt) and the other
    bounces, which after a delivery are mostly somebody's out-of-office notice (SES calls those Transient/General).
    """
    return next(iter(words(delivery)), None)


def words(delivery: Delivery) -> tuple[Word, ...]:
    """Every word that is true of the mail, the weightiest first; counters count these.

    Folding only ever adds to the set, so a counter never has to be taken back. Who clicked has opened, who opened or
    complained has got it.
    """
    d = delivery
    for_good = d.bounce is not None and d.bounce.permanence is Permanence.PERMANENT
    clicked, complained = d.clicked is not None, d.complained is not None
    opened = clicked or d.opened is not None
    by_weight: tuple[tuple[Word, bool], ...] = (
        ("complained", complained),
        ("bounced", for_good),
        ("clicked", clicked),
        ("opened", opened),
        ("delivered", opened or complained or d.delivered is not None),
        ("rejected", d.rejected is not None),
        ("bounced", d.bounce is not None and not for_good),
        ("delayed", d.delayed is not None),
    )
    return tuple(name for name, true in by_weight if true)


def suppresses(event: Event) -> Reason | None:
    """Why this event's recipient must not be written to again, or `None` where it may.

    `provider`: the provider's own list stopped the mail, so nobody refused this one; it is our list that lags behind.
    """
    if event.bounce_class is BounceClass.SUPPRESSED:
        return "provider"
    if event.kind is EventKind.BOUNCED and event.permanence is Permanence.PERMANENT:
        return "bounce"
    if event.kind is EventKind.COMPLAINED and event.complaint != NOT_SPAM:
        return "complaint"
    return "unsubscribe" if event.kind is EventKind.UNSUBSCRIBED else None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Delivery)


def encode(delivery: Delivery) -> str:
    """Compact JSON for a column; `{}` for nothing."""
    return _encoder.encode(delivery).decode()


def decode(data: str | bytes) -> Delivery:
    """What `encode` wrote, also by a newer version with more fields. Raises `msgspec.DecodeError`."""
    return _decoder.decode(data)


# ── For people ──────────────────────────────────────────────────────────────────────────────────────────────────────

_OF_STATE: Final[dict[str, str]] = {
    State.QUEUED.word: "queued",
    State.SENDING.word: "sending",
    State.IN_DOUBT.word: "sending",  # we are finding out; a person can do nothing yet
    State.SENT.word: "sent",
    State.FAILED.word: "failed",
    State.DEAD.word: "needs_attention",
    State.UNRESOLVED.word: "needs_attention",
    State.SUPPRESSED.word: "suppressed",
    State.CANCELLED.word: "cancelled",
    State.CLOSED.word: "cancelled",  # a person withdrew it, only later
    State.EXPIRED.word: "expired",
}

_OF_DELIVERY: Final[dict[str, str]] = {
    "delivered": "delivered",
    "opened": "delivered",
    "clicked": "delivered",
    "delayed": "delayed",
    "bounced": "bounced",
    "complained": "complained",
    "rejected": "failed",  # the provider took it and then would not send it
}


def status_word(state: str, delivery_word: str | None) -> str:
    """One word for people, out of the state's word and the delivery's.

    What became of the mail goes before where it is in our hands: an event proves that it went out, also while the
    state still lags behind (an event may overtake the reply). Raises `KeyError` for a word that is neither's.
    """
    return _OF_STATE[state] if delivery_word is None else _OF_DELIVERY[delivery_word]
