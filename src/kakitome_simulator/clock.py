"""Time as an argument: one clock that only goes forward, and the one that stands in timestamps."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

SECOND = 1_000_000_000  # ticks


class Clock(Protocol):
    def ticks(self) -> int:
        """Nanoseconds of a clock that never goes back; rates, quotas and fault windows are measured with it."""
        ...

    def now(self) -> int:
        """Milliseconds since 1970 UTC; only ever shown, never compared."""
        ...


class Accelerated:
    """A clock that begins now and runs `speed` times as fast; what waits by it (`real`) waits the less."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._ticks, self._now = time.monotonic_ns(), time.time_ns() // 1_000_000

    def ticks(self) -> int:
        return self._ticks + round((time.monotonic_ns() - self._ticks) * self.speed)

    def now(self) -> int:
        return self._now + (self.ticks() - self._ticks) // 1_000_000


def real(seconds: float, clock: Clock) -> float:
    """How long a loop has to wait for seconds of the clock; a clock without a `speed` goes as the loop does."""
    return seconds / float(getattr(clock, "speed", 1.0))


class SystemClock:
    def ticks(self) -> int:
        return time.monotonic_ns()

    def now(self) -> int:
        return time.time_ns() // 1_000_000


def iso(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, as AWS writes it: `2026-03-01T00:00:00.000Z`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
