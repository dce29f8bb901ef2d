"""Whom the events say not to write to: a pure function of all that is known of an address.

It is asked anew whenever something is learnt, and never counts on what it said before. So the same events give the
same suppressions in any order: an unsubscription that comes before its message's reply, a subscription that overtakes
the unsubscription which it takes back, five transient bounces in reverse. What a person removed is not brought back by
what was known then; only by something new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from kakitome.core import delivery
from kakitome.core.event import Event, EventKind, Permanence

DAY: Final = 86_400_000  # ms

ALL: Final = "all"
"""The scope of a suppression that holds for every stream."""

Reason: TypeAlias = delivery.Reason | Literal["transient"]

KINDS: Final = frozenset(
    {
        EventKind.BOUNCED,
        EventKind.COMPLAINED,
        EventKind.REJECTED,
        EventKind.UNSUBSCRIBED,
        EventKind.RESUBSCRIBED,
    }
)
"""The kinds that `called_for` needs to see, all of an address."""


class TransientLimit(msgspec.Struct, frozen=True):
    """So many messages that came back for a passing reason within `window` ms suppress the address. 0: never."""

    messages: int = 5
    window: int = 30 * DAY


class Told(msgspec.Struct, frozen=True):
    """An event of the address; `message` and `stream` are those it belongs to, None while that is not known. `fresh`:
    it came just now; else it came at `received`."""

    event: Event
    received: int
    fresh: bool
    message: int | None = None
    stream: str | None = None


class Removal(msgspec.Struct, frozen=True):
    """A person's last removal in a scope: when, and the `source` of what was removed (an event's key, or anything)."""

    at: int
    source: str


class Call(msgspec.Struct, frozen=True):
    """A suppression that the events call for, with the event that decided."""

    scope: str
    reason: Reason
    event: Event
    note: str


def stream_scope(stream: str) -> str:
    return f"stream:{stream}"


def is_scope(text: str) -> bool:
    """Whether it is `all` or `stream:NAME`. Anything else would look like a suppression and hold nothing back."""
    kind, _, name = text.partition(":")
    return text == ALL or (kind == "stream" and name != "" and name == name.strip())


def called_for(told: Sequence[Told], released: Mapping[str, Removal], limit: TransientLimit) -> list[Call]:
    """What all events of one address call for, the weightiest reason of a scope first.

    `released` has a person's last removal for each scope. Unsubscribing holds for the stream of its message
    where that is known, and ends with a later subscription of the same scope; nothing else ends by an event.
    """
    ordered = sorted(told, key=lambda one: (one.event.at, one.event.key))
    calls = [*_final(ordered, released), *_transient(ordered, released, limit), *_left(ordered, released)]
    return sorted(calls, key=lambda call: (call.scope, _WEIGHT.index(call.reason)))


_WEIGHT: Final[tuple[Reason, ...]] = ("complaint", "bounce", "provider", "transient", "unsubscribe")


def _counts(one: Told, scope: str, released: Mapping[str, Removal]) -> bool:
    """Whether a person, when removing, did not know of it yet. The event that made what was removed never counts again,
    also where it belongs to a stream by now."""
    if one.fresh:
        return True
    if any(one.event.key == removal.source for removal in released.values()):
        return False
    return scope not in released or one.received > released[scope].at


def _final(ordered: Sequence[Told], released: Mapping[str, Removal]) -> list[Call]:
    first: dict[Reason, Call] = {}
    for one in ordered:
        reason = delivery.suppresses(one.event)
        if reason is not None and reason != "unsubscribe" and _counts(one, ALL, released):
            first.setdefault(reason, Call(ALL, reason, one.event, one.event.diagnostic))
    return list(first.values())


def _transient(ordered: Sequence[Told], released: Mapping[str, Removal], limit: TransientLimit) -> list[Call]:
    """Messages count, not events: a provider says it once for each of its own attempts."""
    first: dict[int, Event] = {}
    for one in ordered:
        e = one.event
        passing = e.kind is EventKind.BOUNCED and e.permanence is Permanence.TRANSIENT
        if passing and delivery.suppresses(e) is None and one.message is not None and _counts(one, ALL, released):
            first.setdefault(one.message, e)
    bounces = list(first.values())
    for begin, end in zip(bounces, bounces[limit.messages - 1 :], strict=False) if limit.messages > 0 else ():
        if end.at - begin.at <= limit.window:
            days = f"{limit.window / DAY:g} day{'' if limit.window == DAY else 's'}"
            note = f"{limit.messages} messages came back for passing reasons within {days}. {end.diagnostic}"
            return [Call(ALL, "transient", end, note.strip())]
    return []


def _left(ordered: Sequence[Told], released: Mapping[str, Removal]) -> list[Call]:
    """Where leaving is the last word of its scope. In the same millisecond leaving wins: it is the safe one."""
    words = [one for one in ordered if one.event.kind in _WORDS]
    words.sort(key=lambda one: (one.event.at, one.event.kind is EventKind.UNSUBSCRIBED))
    last = {scope_of(one): one for one in words}
    return [
        Call(scope, "unsubscribe", one.event, one.event.diagnostic)
        for scope, one in last.items()
        if one.event.kind is EventKind.UNSUBSCRIBED and _counts(one, scope, released)
    ]


_WORDS: Final = (EventKind.UNSUBSCRIBED, EventKind.RESUBSCRIBED)


def scope_of(one: Told) -> str:
    """What leaving or coming back holds for: the stream of the message, or all where there is no message."""
    return ALL if one.stream is None else stream_scope(one.stream)


def ended(scope: str, source: str, at: int, told: Sequence[Told], calls: Sequence[Call]) -> Event | None:
    """The event by which a suppression of reason `unsubscribe` is over, or None where it stays.

    It is over when no event calls for it any more and it was made by one of them (which meanwhile belongs to a stream,
    or was taken back), or when the reader subscribed to that scope again after `at`, whatever had made it.
    """
    if any((call.scope, call.reason) == (scope, "unsubscribe") for call in calls):
        return None
    here = [one.event for one in told if one.event.kind in _WORDS and scope_of(one) == scope]
    back = [e for e in here if e.kind is EventKind.RESUBSCRIBED]
    mine = [one.event for one in told if one.event.key == source]
    if mine:
        return max((*back, *mine), key=lambda e: (e.at, e.kind is EventKind.RESUBSCRIBED))
    return next((e for e in back if e.at > at), None)
