"""This machine's time."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """See `ports.clock.Clock`. Monotonic time is CLOCK_BOOTTIME: it goes on while the machine sleeps."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
