"""What the parts say while they work goes to people as it comes, and not through a progress bar."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Telling(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self._last = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if text != self._last:  # the same trouble every quarter of a second is one trouble
            self._last = text
            self._tell(text)


@contextmanager
def told(tell: Callable[[str], None]) -> Iterator[None]:
    log, handler = logging.getLogger("kakitome"), _Telling(tell)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
