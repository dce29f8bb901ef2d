"""Ctrl-C and SIGTERM: the first one ends the work in order, the second at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Set by the first signal; `then` is called in the event loop. A signal sets `asked` also while a list is being
    read without a pause, so whoever reads looks at it now and then."""

    def __init__(self) -> None:
        self.asked = False
        self._then: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()

    def call(self, then: Callable[[], None]) -> None:
        self._then = then
        if self.asked:
            then()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            sys.stderr.write("\x1b[?25h\n" if sys.stderr.isatty() else "")  # a progress bar hides the cursor
            sys.stderr.flush()
            os._exit(1)
        self.asked = True
        self._loop.call_soon_threadsafe(lambda: self._then())


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within an event loop, in the main thread."""
    interruption = Interruption()
    before = {n: signal.signal(n, interruption._signalled) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, one in before.items():
            signal.signal(number, one)
