"""What the contracts of transports are played with: parcels, a wire that does as it is told, and the far side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from kakitome.core.content import Content, Mailbox
from kakitome.core.ids import Fence, MessageId, message_text
from kakitome.core.mime import message_id_for, mime
from kakitome.core.outcome import Outcome, Uncertain
from kakitome.ports.transport import Parcel, Transport

SENDER = "news@example.com"
_DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One mail that the far side has. `message` and `attempt` are what came back of the correlation. Of a provider that
    takes parts instead of our bytes (`Capabilities.raw` is false), `text` is what its reader sees; size and digest are
    then nobody's to compare."""

    recipient: str
    message: str | None
    attempt: str | None
    subject: str | None
    size: int
    sha256: str
    text: str | None = None


class Trouble(StrEnum):
    """What the far side does to the next mail, and to that one only."""

    REFUSED = "refused for good, and this mail is at fault"
    DEFERRED = "refused for now"
    THROTTLED = "too much at this moment; the mail is not at fault"
    RESET = "the connection is reset before the mail is taken"
    REPLY_LOST = "taken, and the connection ends without a word"
    ERROR_AFTER_ACCEPT = "taken, and then an error that proves nothing (HTTP 500)"
    SLOW = "taken, and the reply comes far too late"


class FarSide(Protocol):
    """What stands where the provider would. It runs outside of the test's event loop; its methods may block."""

    def accepted(self) -> Sequence[Taken]: ...

    def connections(self) -> int:
        """How many were opened so far."""
        ...

    def trouble(self, trouble: Trouble) -> None: ...


class ScriptedWire:
    """A wire that says no where it is told to, and writes down what it was asked."""

    def __init__(self, refuse: dict[int, str] | None = None, watch: Callable[[int], None] = lambda _: None) -> None:
        self.asked: list[tuple[str, int]] = []
        self._refuse = refuse or {}
        self._watch = watch

    async def ready(self, index: int) -> bool:
        return self._answer("ready", index)

    async def turn(self, index: int) -> bool:
        await asyncio.sleep(0)
        return self._answer("turn", index)

    def begin(self, index: int) -> bool:
        self._watch(index)
        return self._answer("begin", index)

    def _answer(self, question: str, index: int) -> bool:
        self.asked.append((question, index))
        return self._refuse.get(index) != question

    def questions(self, index: int) -> list[str]:
        return [question for question, about in self.asked if about == index]


def parcel(
    number: int, *, recipient: str | None = None, text: str = "Good morning.\n", raw: bytes | None = None
) -> Parcel:
    """A mail to `reader-NUMBER@example.com` with subject and correlation of its own."""
    to = recipient or f"reader-{number}@example.com"
    content = Content(
        sender=Mailbox(SENDER, "宿の便り"), to=(Mailbox(to),), subject=f"ご予約 {number} を承りました", text=text
    )
    public = message_text(number)
    return Parcel(
        message=MessageId(number),
        fence=Fence(3),
        sender=SENDER,
        recipient=to,
        content=content,
        raw=raw or mime(content, message_id=message_id_for(public, "example.com"), date=_DATE),
        correlation={"kakitome_message": public, "kakitome_attempt": "3"},
    )


def parcels(count: int) -> list[Parcel]:
    return [parcel(number) for number in range(1, count + 1)]


async def outcomes(transport: Transport, mails: Sequence[Parcel], wire: ScriptedWire) -> list[Outcome]:
    """One batch: its outcomes in the order of the parcels, each exactly once, and no doubt without a `begin`."""
    found: dict[int, Outcome] = {}
    async for index, outcome in transport.send(mails, wire):
        assert index not in found, f"a second outcome for parcel {index}"
        found[index] = outcome
        assert not isinstance(outcome, Uncertain) or ("begin", index) in wire.asked
    assert sorted(found) == list(range(len(mails)))
    return [found[index] for index in range(len(mails))]


async def only_batch(transport: Transport, mails: Sequence[Parcel], wire: ScriptedWire) -> list[Outcome]:
    """One batch, and the transport is closed behind it."""
    try:
        return await outcomes(transport, mails, wire)
    finally:
        await transport.close()
