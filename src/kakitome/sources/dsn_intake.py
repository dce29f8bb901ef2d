"""What a door for delivery reports does with one mail: believe it, ignore it, or keep it apart.

Nothing proves who wrote a report. So it counts only where it names a mail of ours that was tried and the address that
this mail went to, and for that address only. Ids are numbered: whoever got one mail of a list knows those beside it,
but not whose they are.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from kakitome.core.address import canonical, parse_address
from kakitome.core.errors import AddressError, NotFound
from kakitome.core.event import Event
from kakitome.core.ids import MessageId, from_text
from kakitome.core.lifecycle import Cause
from kakitome.core.message import AttemptView
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.sources import EventUnreadable
from kakitome.sources.dsn import Reported, parse_dsn
from kakitome.sources.dsn_report import NotAReport

log = logging.getLogger("kakitome.bounces")

Shelf: TypeAlias = Literal["taken", "ignored", "quarantine"]
Take: TypeAlias = Callable[[Sequence[Event]], Awaitable[object]]
"""Makes events durable (`ingest`)."""

_NOBODYS = "It is about no mail of ours, or does not name whom that mail went to, so nothing proves it."


class Verdict(msgspec.Struct, frozen=True):
    """Where the mail belongs, and why."""

    shelf: Shelf
    why: str = ""


class Intake:
    def __init__(self, ledger: Ledger, take: Take, clock: Clock) -> None:
        self._ledger = ledger
        self._take = take
        self._clock = clock

    async def take(self, raw: bytes) -> Verdict:
        """With `taken` its events are durable; anything else changed nothing. Raises `LedgerUnavailable`."""
        try:
            reported = await asyncio.to_thread(parse_dsn, raw, self._clock.now())
        except NotAReport as other:
            return Verdict("ignored", other.what)
        except EventUnreadable as error:
            return Verdict("quarantine", error.what)
        except Exception as error:  # one mail that trips the reader up must not keep all those behind it
            log.exception("An error of ours in reading a bounce. It is set aside.")
            return Verdict("quarantine", f"Reading it ended in an error of ours ({type(error).__name__}).")
        ours = [known for one in reported if (known := await self._ours(one)) is not None]
        if not ours:
            return Verdict("quarantine", _NOBODYS)
        await self._take(ours)
        return Verdict("taken")

    async def note(self, verdict: Verdict, raw: bytes, door: str) -> None:
        """Tell in the journal what was not taken. No address and no word of it stands there: it may be anybody's."""
        if verdict.shelf != "taken":
            kind = "bounce_ignored" if verdict.shelf == "ignored" else "bounce_quarantined"
            data: dict[str, object] = {"why": verdict.why, "door": door, "size": len(raw)}
            data["sha256"] = hashlib.sha256(raw).hexdigest()
            await self._ledger.journal.note(kind, data, self._clock.now())

    async def _ours(self, reported: Reported) -> Event | None:
        """The event as one of an attempt of ours and of its recipient, or None."""
        event = reported.event
        try:
            id = MessageId(from_text("msg", event.message or ""))
        except NotFound:
            return None
        reads = self._ledger.reads
        views, attempts = await reads.messages([id]), await reads.attempts([id])
        attempt = which(attempts, event)
        if not views or attempt is None or not _among(views[0].address, reported.readers):
            return None
        return msgspec.structs.replace(event, recipient=views[0].address, attempt=str(attempt.fence))


def _among(address: str | None, readers: frozenset[str]) -> bool:
    return address is not None and mailbox(address) in map(mailbox, readers)


def mailbox(address: str) -> str:
    """The address as it is compared; whatever is none equals itself alone."""
    try:
        return canonical(parse_address(address, allow_local_domain=True))
    except AddressError:
        return address


def which(attempts: Sequence[AttemptView], event: Event) -> AttemptView | None:
    """The attempt that a report is about: the one that it names, else the newest that was accepted, else the newest
    whose reply was lost, else the newest that has not ended. What was refused came to nobody who could report."""
    if event.attempt is not None:
        return next((one for one in attempts if str(one.fence) == event.attempt), None)
    newest_first = sorted(attempts, key=lambda one: -one.fence)
    accepted = [a for a in newest_first if a.cause is Cause.PROVIDER_ACCEPTED or a.proved is not None]
    doubtful = [a for a in newest_first if a.cause in _DOUBTFUL]
    open_ones = [a for a in newest_first if a.cause is None]
    return next(iter([*accepted, *doubtful, *open_ones]), None)


_DOUBTFUL = (Cause.UNCERTAIN, Cause.LEASE_OVER, Cause.WORKER_GONE_MARKED)
