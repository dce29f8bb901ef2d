"""The doorbell. It may lose, repeat and reorder, and nothing is harmed: the ledger is the truth.

A ring says "there is work" of one kind and nothing more: no mail, no address, no id. Whoever hears it asks the ledger
which runs have due work, as after every `idle` seconds without a ring.
"""

from __future__ import annotations

from typing import Protocol

MOST_TICKETS = 16
"""So many rings at most wait to be heard, however often it rang."""


class Queue(Protocol):
    @property
    def idle(self) -> float:
        """Seconds between looks of a worker when nobody rings: what a lost ring costs at most."""
        ...

    async def ring(self, bell: str) -> None:
        """Say that there is work. `bell` is `transactional` or `bulk`. Waits for no network, and raises nothing."""
        ...

    async def wait(self, bell: str, seconds: float) -> bool:
        """Wait until somebody rings, at most `seconds`. True if it rang. One that is given up takes no ring along."""
        ...

    async def close(self) -> None:
        """Rings that are not told yet are told, if that takes no longer than a moment."""
        ...
