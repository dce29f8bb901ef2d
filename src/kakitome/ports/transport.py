"""How we send: the port that a new provider implements.

A transport takes a batch of parcels and yields an outcome for each as the replies come. It never retries, never
sleeps for its own reasons and never raises for a parcel: whatever happens becomes an outcome.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

import msgspec

from kakitome.core.content import Content
from kakitome.core.ids import Fence, MessageId, SubmissionId
from kakitome.core.outcome import Outcome


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One message on its way. `recipient` is the RCPT TO form, `sender` the MAIL FROM; `raw` is RFC 5322, CRLF.

    `correlation` travels with the mail out of the reader's sight (SES tags, custom_args) and comes back with events.
    `siblings` is equal for the parcels of one submission: where a provider knows no envelope they go as one.
    """

    message: MessageId
    fence: Fence
    sender: str
    recipient: str
    content: Content
    raw: bytes
    correlation: dict[str, str]
    siblings: SubmissionId | None = None
    bulk: bool = False  # of a list: may share a request with others, and their doubt where its reply is lost


class Wire(Protocol):
    """The permission to write. For every parcel a transport asks three times, in this order, and at a False lets the
    parcel be and yields `Released`:

        ready   before the first word about it (SMTP: before MAIL)
        turn    when only the completing write is left (HTTP: the request, SMTP: the write with the final dot)
        begin   with nothing awaited between it and the completing write
    """

    async def ready(self, index: int) -> bool:
        """Whether the parcel may still go: not suppressed, cancelled, expired, paused, and still this worker's."""
        ...

    async def turn(self, index: int) -> bool:
        """Wait for the parcel's slot, on a connection that is open, and look again if the last look is too old."""
        ...

    def begin(self, index: int) -> bool:
        """Set the wire mark."""
        ...


class Capabilities(msgspec.Struct, frozen=True):
    """What a transport can do; the matrix in docs/providers is made from these."""

    places: int  # how many parcels may be on the wire at once
    events: bool  # the provider tells what became of each mail, so evidence is possible
    envelope_differs: bool  # envelope and header recipients may differ
    raw: bool  # our bytes arrive as they are, but for Message-ID and Date where the provider replaces them
    timeout: float  # seconds that the completing write may wait for its reply
    group: int = 1  # how many `bulk` parcels one request takes at most


class Transport(Protocol):
    @property
    def capabilities(self) -> Capabilities: ...

    def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        """Yield (index, outcome) once for each parcel, in any order; `Released` for those that the wire refused.

        `Uncertain` only for what may have been accepted: no valid reply after `begin`. `aclose` ends the batch: when
        it returns, nothing of it is written any more.
        """
        ...

    async def close(self) -> None: ...
