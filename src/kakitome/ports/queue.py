"""The doorbell. It may lose, repeat and reorder, and nothing is harmed: the ledger is the truth."""

from __future__ import annotations

from typing import Protocol


class Queue(Protocol):
    async def ring(self, bell: str) -> None:
        """Say that there is work. `bell` is `transactional` or `bulk`."""
        ...

    async def wait(self, bell: str, seconds: float) -> bool:
        """Wait until somebody rings, at most `seconds`. True if it rang."""
        ...

    async def close(self) -> None: ...
