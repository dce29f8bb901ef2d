"""Time, as an argument."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Milliseconds since 1970, UTC: what the ledger stores. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump: deadlines within one process. Goes on while the process is stopped."""
        ...

    async def sleep(self, seconds: float) -> None: ...
