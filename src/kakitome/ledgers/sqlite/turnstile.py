"""Fair turns for all writers of one file, in all processes.

SQLite's own lock is a race that the same process can win for ever: one process starved another for a whole run (5 s a
commit). Two flocks make a queue of it: whoever holds `next` is the one who waits for `write`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turnstile:
    """Not for use by two threads at once: the ledger has one writer thread."""

    def __init__(self, database: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._next = os.open(f"{database}-next", flags, 0o600)
        self._write = os.open(f"{database}-write", flags, 0o600)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this process's turn and hold it. A killed holder's turn ends with its process."""
        fcntl.flock(self._next, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._write, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._write, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._next)
        os.close(self._write)
