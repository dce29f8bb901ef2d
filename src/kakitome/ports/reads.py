"""What people and pages ask. Reads only: one consistent look each, bounded, no change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kakitome.core.ids import MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import State
from kakitome.core.message import AttemptView, MessageView

ROWS = (
    "read",
    "invalid",
    "duplicate",
    "already",
    "importing",
    "missing",
    "suppressed",
    "queued",
    "sending",
    "sent",
    "failed",
    "dead",
    "in_doubt",
    "unresolved",
    "expired",
    "cancelled",
    "closed",
)
DELIVERY = ("delivered", "delayed", "rejected", "bounced", "complained", "opened", "clicked")


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """All of the fields that are set must hold. `after` is the last id of the page before."""

    run: RunId | None = None
    states: tuple[State, ...] = ()
    hash: int | None = None
    reference: str | None = None
    provider_id: str | None = None
    delivery: str | None = None
    after: int = 0
    n: int = 100


class Discrepancy(msgspec.Struct, frozen=True):
    """A counter that a recount contradicts, or a message that no rule allows."""

    what: str
    expected: int
    found: int


class Recounted(msgspec.Struct, frozen=True):
    """How many documents of counters were written anew, and how many moved meanwhile and were left as they are."""

    written: int
    moving: int


class Reads(Protocol):
    async def messages(self, ids: Sequence[MessageId]) -> list[MessageView]: ...

    async def submission(self, id: SubmissionId) -> list[MessageView]: ...

    async def search(self, search: Search) -> list[MessageView]:
        """By id. Raises `SearchNeedsKey` where this ledger would have to go through all that it has: one that does so
        finds by run, address hash and provider id, and by the states in which mail is open or needs a person."""
        ...

    async def attempts(self, ids: Sequence[MessageId]) -> list[AttemptView]: ...

    async def rows(self, run: RunId) -> dict[str, int]:
        """The account's `ROWS`, from the counters; `read` is the sum of the others. `importing` are the messages of a
        list that is still being taken in as a whole, `missing` the rows that are expected and have not come."""
        ...

    async def delivery(self, run: RunId) -> dict[str, int]:
        """The account's `DELIVERY`: messages that were delivered, delayed, …; one message may count in several."""
        ...

    async def verify(self) -> list[Discrepancy]:
        """Recount everything. Empty: counters, states and attempts agree."""
        ...

    async def hash_key(self) -> bytes:
        """The ledger's key for address hashes."""
        ...
