"""Workers as the ledger knows them, and the marks they leave on their host."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import Protocol

import msgspec

from kakitome.core.ids import Fence, MessageId

HEARTBEAT_LIMIT = 60_000
"""A heartbeat this old (ms) says that its worker may be gone; never that it certainly is."""


class MarkKind(IntEnum):
    """What a mark says of one attempt. The numbers are stored."""

    ON_THE_WIRE = 1  # the completing write may have begun
    ACCEPTED = 2  # the reply said so; `provider_id` came with it
    REFUSED = 3  # certainly not accepted


class Mark(msgspec.Struct, frozen=True):
    message: MessageId
    fence: Fence
    kind: MarkKind
    provider_id: str = ""


class WorkerRecord(msgspec.Struct, frozen=True):
    id: str
    host: str
    boot: str
    heartbeat: int


class Reaped(msgspec.Struct, frozen=True):
    """What became of a dead worker's claims."""

    queued: int = 0
    sent: int = 0
    in_doubt: int = 0


class Workers(Protocol):
    """Workers in the ledger. One method is one atomic change."""

    async def begin(self, worker: WorkerRecord) -> None: ...

    async def beat(self, worker: str, now: int) -> None: ...

    async def all(self) -> Sequence[WorkerRecord]:
        """Those that have begun and were neither ended nor reaped."""
        ...

    async def reap(self, worker: str, marks: Sequence[Mark] | None, now: int) -> Reaped:
        """Settle the claims of a worker that is certainly gone, by what its marks say, and forget the worker.

        No mark, or one that says refused → queued; accepted → sent; on the wire → in doubt. With `marks` None (torn
        or no file) nothing is known: all of its claims are in doubt.
        """
        ...

    async def end(self, worker: str, now: int) -> None:
        """The worker stopped in order and holds no claims."""
        ...


class Marks(Protocol):
    """The marks of one living worker. Synchronous and in memory: no fsync, the kernel keeps them over a SIGKILL."""

    def mark(self, message: MessageId, fence: Fence, now: int) -> int:
        """Say that the completing write begins. Answers the place. Raises `IndexError` when all places are taken."""
        ...

    def note(self, place: int, kind: MarkKind, provider_id: str = "") -> None:
        """Say what the reply was, before the ledger knows."""
        ...

    def clear(self, places: Sequence[int]) -> None:
        """Only after the settle is committed."""
        ...


class Hosts(Protocol):
    """The workers' traces on this host: locks and mark files."""

    def record(self, worker: str, now: int) -> WorkerRecord: ...

    def certainly_gone(self, worker: WorkerRecord) -> bool:
        """True only where the worker ran on this host and boot and its lock is free."""
        ...

    def marks_of(self, worker: WorkerRecord) -> Sequence[Mark] | None:
        """The marks that a gone worker left; None where there is no file. A torn place counts as on the wire."""
        ...

    def tidy(self, known: Collection[str]) -> None:
        """Delete the traces of gone workers that are not `known` to the ledger."""
        ...

    def forget(self, worker: WorkerRecord) -> None:
        """Delete the traces of a worker that was reaped or ended."""
        ...
