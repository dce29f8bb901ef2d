"""Templates, suppressions, events, journal: what else the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kakitome.core.event import Event
from kakitome.core.ids import MessageId, RunId
from kakitome.core.message import Entry
from kakitome.core.suppression import Call


class TemplateVersion(msgspec.Struct, frozen=True):
    """`source` is the template as JSON (`core.template`); `id` names this version for ever."""

    id: int
    name: str
    version: int
    digest: str
    source: bytes
    created: int


class Templates(Protocol):
    async def put(self, name: str, digest: str, source: bytes, now: int) -> TemplateVersion:
        """A new immutable version; the newest version again where its digest is the same."""
        ...

    async def get(self, name: str) -> TemplateVersion | None:
        """The newest version."""
        ...

    async def pinned(self, id: int) -> TemplateVersion: ...

    async def list(self) -> Sequence[TemplateVersion]:
        """The newest version of each, by name."""
        ...


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """Do not write to this address. `scope` is `all` or `stream:NAME`; `source` what it came from (an event's key,
    a file); `who` the person or part of Kakitome."""

    hash: int
    address: str
    reason: str
    scope: str = "all"
    source: str = ""
    who: str = ""
    note: str = ""
    at: int = 0

    @classmethod
    def called(cls, call: Call, hash: int, at: int) -> Suppression:
        """What the events call for, as it is kept."""
        event = call.event
        return cls(
            hash=hash,
            address=event.recipient or "",
            reason=call.reason,
            scope=call.scope,
            source=event.key,
            who=event.provider,
            note=call.note,
            at=at,
        )


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A suppression that a person removed, by whom, why and when. Of several removals of one scope, the last."""

    was: Suppression
    who: str
    note: str
    at: int


class Suppressions(Protocol):
    async def add(self, suppressions: Sequence[Suppression], now: int) -> int:
        """Add, and keep what is there already (the first reason stays). Answers how many are new."""
        ...

    async def remove(self, hash: int, scope: str, who: str, note: str, now: int) -> bool:
        """Remove, leaving the removal in the journal and in `released`. Events that had come by then do not bring it
        back; a new one does."""
        ...

    async def released(self, after: str, n: int) -> list[Released]:
        """What persons removed, paged as `list` is; also where the address is suppressed again since."""
        ...

    async def released_of(self, hashes: Sequence[int]) -> list[Released]:
        """The same, of these addresses."""
        ...

    async def find(self, hashes: Sequence[int]) -> list[Suppression]: ...

    async def list(self, after: str, n: int) -> list[Suppression]:
        """By address, those behind `after`: `n`, and what else the last address has."""
        ...


class Folded(msgspec.Struct, frozen=True):
    """`known` events were seen before; `unmatched` belong to no message of ours (kept all the same)."""

    fresh: int
    known: int
    unmatched: int


class NamedEvent(msgspec.Struct, frozen=True):
    """An event, with the keyed hash of its recipient (None where it names none)."""

    event: Event
    hash: int | None


class Events(Protocol):
    async def fold(self, events: Sequence[NamedEvent], now: int) -> Folded:
        """Store events durably and take them in: proof of the attempt, delivery, suppression, in one change.

        Commutative and idempotent: any order, any repetition gives the same ledger (but for which of several events
        is named as a suppression's reason: the first that came). What the events call for is `core.suppression`'s to
        say, with the transient limit that the ledger was opened with. An event belongs to the attempt that it names;
        where that was lost, to the one with its provider id, and where several messages share that, to its recipient's.
        An event that comes before its attempt's reply counts as soon as that is there. Every event writes its entry:
        `event`, or `event_unmatched`.
        """
        ...

    async def of(self, message: MessageId) -> list[Event]: ...


class Journal(Protocol):
    async def read(self, after: int, n: int) -> list[Entry]:
        """Entries behind the cursor `after`, in order. At-least-once is the reader's bargain: it keeps its cursor."""
        ...

    async def of(self, message: MessageId) -> list[Entry]:
        """The entries about this one message (batches are found through its attempts)."""
        ...

    async def paused(self, run: RunId) -> Entry | None:
        """How this run came to be paused the last time: by a person (`campaign_paused`) or by the guard. Its `seq` says
        nothing, and neither do those of `of`."""
        ...

    async def note(self, kind: str, data: dict[str, object], now: int) -> None:
        """Write an entry of no message: a start, a stop, an operator's word."""
        ...
