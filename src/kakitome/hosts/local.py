"""Workers of this machine: who lives, who is certainly gone, and what the gone ones left.

A worker holds a flock for its whole life. The kernel frees it at any death, and not while the process is merely
stopped: a free lock of a worker of this host and boot is certainty, everything else is not.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Collection, Sequence
from pathlib import Path

from kakitome.hosts.marks import MarkFile, read_marks
from kakitome.ports.workers import Mark, WorkerRecord


class LocalHost:
    """The folder where this machine's workers of one ledger keep their locks and marks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._host = socket.gethostname()
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._held: dict[str, int] = {}

    def begin(self, worker: str) -> MarkFile:
        """Make the worker's marks and take its lock, both before the ledger hears of it. Hold them until `forget`.

        The lock gets its name when it is held: who finds a free one may take its worker for gone.
        """
        marks = MarkFile(self._marks(worker), worker)  # refuses a name that is taken
        lock = self._lock(worker)
        fd = os.open(lock.with_suffix(".new"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.with_suffix(".new").rename(lock)
        self._held[worker] = fd
        return marks

    def record(self, worker: str, now: int) -> WorkerRecord:
        return WorkerRecord(worker, self._host, self._boot, now)

    def certainly_gone(self, worker: WorkerRecord) -> bool:
        if (worker.host, worker.boot) != (self._host, self._boot) or worker.id in self._held:
            return False
        return self._is_free(self._lock(worker.id))

    @staticmethod
    def _is_free(lock: Path) -> bool:
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False  # not seen is not gone: another container may have the same host name
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def marks_of(self, worker: WorkerRecord) -> Sequence[Mark] | None:
        return read_marks(self._marks(worker.id))

    def forget(self, worker: WorkerRecord) -> None:
        self._marks(worker.id).unlink(missing_ok=True)
        self._lock(worker.id).unlink(missing_ok=True)
        if (fd := self._held.pop(worker.id, None)) is not None:
            os.close(fd)

    def tidy(self, known: Collection[str]) -> None:
        """Delete what workers left that the ledger knows no more: a reaper died between the ledger and `forget`."""
        for lock in self._folder.glob("*.lock"):
            if lock.stem not in known and self._is_free(lock):
                lock.with_suffix(".marks").unlink(missing_ok=True)
                lock.unlink(missing_ok=True)

    def _lock(self, worker: str) -> Path:
        return self._folder / f"{worker}.lock"

    def _marks(self, worker: str) -> Path:
        return self._folder / f"{worker}.marks"
