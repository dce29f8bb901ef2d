"""Events come in: into the ledger first, acknowledged after."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.errors import AddressError
from kakitome.core.event import Event
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.records import Folded, NamedEvent

log = logging.getLogger("kakitome.events")


async def ingest(
    events: Sequence[Event], ledger: Ledger, clock: Clock, step: Callable[[str], None] = lambda _: None
) -> Folded:
    """Take events in. When this returns they are durable: only then may the provider be told that they came.

    Raises `LedgerUnavailable`: the provider must be told to come again.
    """
    key = await ledger.reads.hash_key()
    step("before_fold")
    folded = await ledger.events.fold([NamedEvent(event, _hash(key, event.recipient)) for event in events], clock.now())
    step("after_fold")
    return folded


async def quarantine(why: str, kept: Mapping[str, object], ledger: Ledger, clock: Clock) -> None:
    """Keep what comes from where it should and cannot be read. Durable when this returns: to repeat it helps nobody,
    so the provider may be told that it came, and to lose it helps neither. Raises `LedgerUnavailable`."""
    log.error("An event of %s is in quarantine: %s", kept.get("topic") or kept.get("queue"), why)
    await ledger.journal.note("event_quarantined", {"why": why, **kept}, clock.now())


def _hash(key: bytes, recipient: str | None) -> int | None:
    try:
        return address_hash(key, canonical(parse_address(recipient, allow_local_domain=True))) if recipient else None
    except AddressError:
        return None  # an address that we could not have sent to; the event is kept with it all the same
