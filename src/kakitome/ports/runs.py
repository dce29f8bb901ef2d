"""Runs: campaigns with their imports, and the endless runs of streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kakitome.core.ids import RunId
from kakitome.core.message import Run
from kakitome.core.policy import Policy

MOVES: dict[str, tuple[str, ...]] = {
    "running": ("ready", "paused", "running"),
    "paused": ("running", "ready", "paused"),
    "done": ("running", "done"),
    "cancelled": ("importing", "ready", "running", "paused", "cancelled"),
}
"""What a run may be moved to, and from where. Streams are only ever running or paused."""


class ImportRow(msgspec.Struct, frozen=True, array_like=True):
    """One valid row of a list. `variables` is JSON; `pace` as in `NewMessage`."""

    line: int
    address: str
    hash: int
    variables: str
    pace: str = ""


class ImportBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Rows from line `first_line` up to (not including) line `next_line`. `invalid` counts the bad ones among them."""

    first_line: int
    next_line: int
    rows: tuple[ImportRow, ...]
    invalid: int = 0


class Import(msgspec.Struct, frozen=True):
    """The import of one list (named by its digest) into a campaign. `next_line` is where it goes on."""

    run: RunId
    digest: str
    next_line: int
    sealed: bool


class Runs(Protocol):
    """One method is one atomic change; see `Messages` for what that means."""

    async def stream(self, name: str, policy: Policy, now: int) -> Run:
        """The run of a stream's single mails, made at its first use. The policy of today's configuration is kept."""
        ...

    async def open(
        self, name: str, stream: str, policy: Policy, template: int | None, pinned: bytes, expires: int | None, now: int
    ) -> Run:
        """The campaign of this name, made (as `importing`) if there is none. An existing one is answered as it is."""
        ...

    async def begin_import(self, run: RunId, digest: str, now: int, rows: int = 0) -> Import:
        """Begin, or go on with, the import of a list. The campaign is `importing` until the import is sealed. `rows` is
        about how many there are, for a ledger that wants to make room (0: nobody knows).

        `StateError` if the campaign is cancelled. A sealed import of the same digest is answered as it is and changes
        nothing. `StateError` if the campaign is importing another list, or if rows are expected (`Rows`).
        """
        ...

    async def append(self, run: RunId, digest: str, batch: ImportBatch, due: int, now: int) -> Import:
        """Store the next rows. An address that has its message in this campaign already gets no second one.

        Counts `duplicate` where that message came from this import, `already` where from another.
        A batch that does not begin at the import's `next_line` was stored before and changes nothing.
        """
        ...

    async def seal(self, run: RunId, digest: str, now: int) -> Run:
        """The list is in the ledger to its last row: the campaign is `running` or `paused` as before, else `ready`."""
        ...

    async def move(self, run: RunId, to: str, who: str, now: int) -> Run:
        """As `MOVES` says; `StateError` where it says nothing.

        Pausing touches no message. `done` only when no message of it is open (`lifecycle.OPEN`) and no list that came
        in rows is without its `Rows.close`. Cancelling ends its imports and withdraws every open message, as
        `Messages.cancel` does.
        """
        ...

    async def find(self, name: str) -> Run | None: ...

    async def list(self, live: bool = False) -> Sequence[Run]:
        """All runs, newest first; `live`: without campaigns that are done. Of these a run that began, or ended, at this
        very moment may be missing, or there."""
        ...


class Runnable(Protocol):
    """What workers ask before they claim, and a plan before it counts."""

    async def runnable(self, now: int) -> Sequence[Run]:
        """Running runs that have due work, transactional streams first, then by age."""
        ...

    async def paces(self, run: RunId, now: int) -> Sequence[str]:
        """The paces of the run's queued messages that are due, by name ("" where a domain has none)."""
        ...

    async def next_due(self, now: int) -> int | None:
        """When the next queued message of a running run is due, None if there is none."""
        ...

    async def present(self, run: RunId, hashes: Sequence[int]) -> set[int]:
        """Those of the address hashes that have a message in this run."""
        ...
