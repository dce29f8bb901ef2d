"""Which attempts an event names itself, by the values that travelled with the mail."""

from __future__ import annotations

from kakitome.core.errors import NotFound
from kakitome.core.event import Event
from kakitome.core.ids import Fence, MessageId, from_text

_MOST = (1 << 63) - 1


def attempts_named(event: Event) -> list[tuple[MessageId, Fence]]:
    """The message and attempt of `event`; several where siblings went in one request (`msg_1 msg_2`, `1 1`, in equal
    order). Then the event's recipient says whose it is. Empty where the provider lost or somebody garbled them."""
    messages, attempts = (event.message or "").split(" "), (event.attempt or "").split(" ")
    if len(messages) != len(attempts):
        return []
    try:
        found = [(from_text("msg", m), int(a)) for m, a in zip(messages, attempts, strict=True)]
    except (NotFound, ValueError):
        return []
    return [(MessageId(message), Fence(fence)) for message, fence in found if 0 <= fence <= _MOST]
