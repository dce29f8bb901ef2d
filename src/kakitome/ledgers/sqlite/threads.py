"""One thread writes, one reads; asyncio waits for neither.

The writer takes everything that waits and commits it at once, each piece within its own savepoint: what one piece
raises is its own. So a hundred callers share one fsync, and nobody is told before it is done.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.sqlite.connection import Db, connect, migrate, translated
from kakitome.ledgers.sqlite.highwater import HighWater, hold_if_older
from kakitome.ledgers.sqlite.turnstile import Turnstile

T = TypeVar("T")
Piece = tuple[Callable[[Db], Any], "Future[Any]"]

MOST_TOGETHER = 64
PATIENCE = 30.0
"""Seconds that a caller waits. Its work is withdrawn then, unless it had begun: that may still be committed, which is
why `LedgerUnavailable` never says that nothing happened, and asking again is safe."""


class Thread:
    """Runs pieces of work on its own connection, in order."""

    def __init__(self, path: Path, *, turnstile: Turnstile | None) -> None:
        self._turnstile = turnstile
        self._pieces: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        new = not path.exists()
        self._db = connect(path, read_only=False)
        self._high_water = HighWater(path) if turnstile else None
        if turnstile and self._high_water:
            with turnstile.turn():
                migrate(self._db)
                with self._db:
                    hold_if_older(self._db, 0 if new else self._high_water.reached(), time.time_ns() // 1_000_000)
                self._high_water.rise(self._db)
        else:
            self._db.pragma("query_only", 1)
        self.commits = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    async def run(self, piece: Callable[[Db], T]) -> T:
        if self._closed:
            raise LedgerUnavailable("The ledger is closed. Nothing was acknowledged.")
        future: Future[T] = Future()
        self._pieces.put((piece, future))
        try:
            async with asyncio.timeout(PATIENCE):  # `wait_for` of 3.11 swallows a cancellation now and then
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise LedgerUnavailable(
                f"The ledger was locked for {PATIENCE:.0f} s by another process. Nothing was acknowledged.",
                "A stopped process may hold its lock: wake or kill it (ps -eo pid,stat,cmd | grep kakitome shows a T).",
            ) from None

    def close(self) -> None:
        """Finish what was handed in before. Closing twice is closing once."""
        if not self._closed:
            self._closed = True
            self._pieces.put(None)
            self._thread.join(PATIENCE)
            if self._thread.is_alive():
                return  # it waits for a lock that somebody holds; it ends with this process
            self._db.close()
            if self._high_water:
                self._high_water.close()

    def _work(self) -> None:
        while (first := self._pieces.get()) is not None:
            together = [first]
            stop = False
            while len(together) < MOST_TOGETHER and not self._pieces.empty():
                piece = self._pieces.get()
                if piece is None:
                    stop = True
                    break
                together.append(piece)
            self._commit(together)
            if stop:
                return

    def _commit(self, pieces: list[Piece]) -> None:
        """Answers go out only after the commit: an acknowledgement is a promise."""
        answers: list[Callable[[], None]] = []
        pieces = [(piece, future) for piece, future in pieces if future.set_running_or_notify_cancel()]
        try:
            with translated(), self._turnstile.turn() if self._turnstile else nullcontext():
                self._db.execute("begin immediate" if self._turnstile else "begin")
                try:
                    alone = len(pieces) == 1
                    for piece, future in pieces:
                        answers.append(self._answer(piece, future, alone))
                    if self._db.in_transaction:
                        self._db.execute("commit")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("rollback")
                    raise
                if self._high_water:
                    self._high_water.rise(self._db)
                    self.commits += 1
        except BaseException as trouble:
            for _, future in pieces:
                future.set_exception(trouble)
            return
        for answer in answers:
            answer()

    def _answer(self, piece: Callable[[Db], Any], future: Future[Any], alone: bool) -> Callable[[], None]:
        """What to tell the caller after the commit. A piece that is alone has the transaction for its savepoint: a
        savepoint keeps a copy of every page that is touched, in memory, and an import touches tens of megabytes."""
        try:
            with nullcontext() if alone else self._db:
                value = piece(self._db)
        except (apsw.FullError, apsw.IOError, apsw.CorruptError):
            raise  # the transaction itself is in danger: nobody gets an answer
        except Exception as error:
            if not self._db.in_transaction:
                raise LedgerUnavailable("The ledger gave a change up half-way. Nothing was acknowledged.") from error
            if alone:
                self._db.execute("rollback")
            return partial(future.set_exception, error)
        return partial(future.set_result, value)
