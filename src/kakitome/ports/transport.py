"""How we send: the port that a new provider implements.

A transport takes a batch of parcels and yields an outcome for each as the replies come. It never retries, never
sleeps for its own reasons and never raises for a parcel: whatever happens becomes an outcome.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from kakitome.core.content import Content
from kakitome.core.ids import Fence, MessageId
from kakitome.core.outcome import Outcome


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One message on its way. `recipient` is the RCPT TO form, `sender` the MAIL FROM; `raw` is RFC 5322, CRLF.

    `correlation` travels with the mail out of the reader's sight (SES tags, custom_args) and comes back with events.
    """

    message: MessageId
    fence: Fence
    sender: str
    recipient: str
    content: Content
    raw: bytes
    correlation: dict[str, str]


class Wire(Protocol):
    """The permission to write. A transport asks it for every parcel, immediately before the completing write:
    for HTTP the request, for SMTP the write that carries the final dot."""

    async def ready(self, index: int) -> bool:
        """Wait for the parcel's slot and make sure that its check is at most a second old. False: do not send it."""
        ...

    def begin(self, index: int) -> bool:
        """Set the wire mark. Call it with nothing awaited between it and the write. False: do not send it."""
        ...


class Capabilities(msgspec.Struct, frozen=True):
    """What a transport can do; the matrix in docs/providers is made from these."""

    places: int  # how many parcels may be on the wire at once
    events: bool  # the provider tells what became of each mail, so evidence is possible
    envelope_differs: bool  # envelope and header recipients may differ
    raw: bool  # our bytes arrive as they are, but for Message-ID and Date where the provider replaces them
    timeout: float  # seconds that the completing write may wait for its reply


class Transport(Protocol):
    @property
    def capabilities(self) -> Capabilities: ...

    def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncIterator[tuple[int, Outcome]]:
        """Yield (index, outcome) once for each parcel, in any order; `Released` for those that the wire refused.

        `Uncertain` only for what may have been accepted: no valid reply after `begin`.
        """
        ...

    async def close(self) -> None: ...
