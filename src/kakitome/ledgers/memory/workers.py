"""Workers, their end, and what they may claim."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.ids import Fence, MessageId, RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Run, Settlement
from kakitome.core.policy import Kind
from kakitome.ledgers.memory.book import Book, Message
from kakitome.ledgers.memory.events import match_waiting
from kakitome.ledgers.memory.settling import end_claim, settle
from kakitome.ports.workers import Mark, MarkKind, Reaped, WorkerRecord


class MemoryWorkers:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def begin(self, worker: WorkerRecord) -> None:
        self._book.workers[worker.id] = worker
        self._book.enter(worker.heartbeat, "worker_began", worker=worker.id, host=worker.host)

    async def beat(self, worker: str, now: int) -> None:
        if worker in self._book.workers:
            self._book.workers[worker] = msgspec.structs.replace(self._book.workers[worker], heartbeat=now)

    async def all(self) -> Sequence[WorkerRecord]:
        return [self._book.workers[id] for id in sorted(self._book.workers)]

    async def reap(self, worker: str, marks: Sequence[Mark] | None, now: int) -> Reaped:
        book = self._book
        by_claim = {(mark.message, mark.fence): mark for mark in marks or ()}
        held = [m for m in book.messages.values() if m.state is State.SENDING and m.worker == worker]
        endings = [ending(m, None if marks is None else by_claim.pop((m.id, m.fence), NO_MARK), now) for m in held]
        # A claim that was ended by its lease may still have its answer in a mark: that answer is proof.
        proofs = [
            Settlement(
                id=mark.message, fence=mark.fence, cause=Cause.PROVIDER_ACCEPTED, provider_id=mark.provider_id or None
            )
            for mark in by_claim.values()
            if mark.kind is MarkKind.ACCEPTED
        ]
        book.workers.pop(worker, None)
        settle(book, endings + proofs, now)
        match_waiting(book, now)
        book.enter(now, "worker_reaped", worker=worker)
        causes = [one.cause for one in endings + proofs]
        return Reaped(
            queued=causes.count(Cause.WORKER_GONE_UNMARKED),
            sent=causes.count(Cause.PROVIDER_ACCEPTED),
            in_doubt=causes.count(Cause.WORKER_GONE_MARKED),
        )

    async def end(self, worker: str, now: int) -> None:
        self._book.workers.pop(worker, None)
        self._book.enter(now, "worker_ended", worker=worker)


NO_MARK = Mark(MessageId(0), Fence(0), MarkKind.REFUSED)


def ending(m: Message, mark: Mark | None, now: int) -> Settlement:
    """How a dead worker's claim ends; with `mark` None nothing is known of it."""
    if mark is None or mark.kind is MarkKind.ON_THE_WIRE:
        return end_claim(m, Cause.WORKER_GONE_MARKED, now)
    if mark.kind is MarkKind.ACCEPTED:
        return end_claim(m, Cause.PROVIDER_ACCEPTED, now, provider_id=mark.provider_id)
    return end_claim(m, Cause.WORKER_GONE_UNMARKED, now)


class MemoryRunnable:
    def __init__(self, book: Book) -> None:
        self._book = book

    def _waiting(self, run: Run) -> list[int]:
        return [m.due for m in self._book.of_run(run.id) if m.state is State.QUEUED]

    async def runnable(self, now: int) -> Sequence[Run]:
        running = [book.run for book in self._book.runs.values() if book.run.state == "running"]
        due = [run for run in running if any(due <= now for due in self._waiting(run))]
        return sorted(due, key=lambda run: (run.policy.kind is not Kind.TRANSACTIONAL, run.created, run.id))

    async def paces(self, run: RunId, now: int) -> Sequence[str]:
        return sorted({m.pace for m in self._book.of_run(run) if m.state is State.QUEUED and m.due <= now})

    async def next_due(self, now: int) -> int | None:
        running = [book.run for book in self._book.runs.values() if book.run.state == "running"]
        return min((due for run in running for due in self._waiting(run)), default=None)

    async def present(self, run: RunId, hashes: Sequence[int]) -> set[int]:
        return {m.hash for m in self._book.of_run(run)} & set(hashes)
