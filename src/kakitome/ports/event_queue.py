"""A queue that the provider writes events into, and what one of its messages says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import msgspec

from kakitome.core.errors import KakitomeError
from kakitome.core.event import Event


class QueueUnavailable(KakitomeError):
    """The queue cannot be read or tidied now. Nothing is lost: its messages wait, and come again."""

    slug: ClassVar[str] = "queue-unavailable"


class Received(msgspec.Struct, frozen=True):
    """A message that came. `id` is the same on every delivery, `receipt` is this delivery's."""

    id: str
    receipt: str
    body: str


class Reading(msgspec.Struct, frozen=True):
    """What a message says: its events, a sentence for each part that cannot be read, the topics that only greeted."""

    events: tuple[Event, ...] = ()
    unreadable: tuple[str, ...] = ()
    greetings: tuple[str, ...] = ()


class EventQueue(Protocol):
    @property
    def name(self) -> str:
        """For logs and the journal."""
        ...

    async def receive(self) -> Sequence[Received]:
        """Up to ten messages; waits up to twenty seconds for the first. What is not deleted comes again, and so may
        what was. Raises `QueueUnavailable`."""
        ...

    async def delete(self, messages: Sequence[Received]) -> None:
        """Forget them: call it only when they are durable elsewhere. Raises `QueueUnavailable`."""
        ...

    async def close(self) -> None: ...
