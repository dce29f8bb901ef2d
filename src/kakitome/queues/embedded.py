"""The doorbell of one process. Other processes do not hear it: their workers look for themselves, every 250 ms."""

from __future__ import annotations

import asyncio
from collections import defaultdict


class EmbeddedQueue:
    """See `ports.queue.Queue`."""

    def __init__(self) -> None:
        self._bells: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def ring(self, bell: str) -> None:
        self._bells[bell].set()

    async def wait(self, bell: str, seconds: float) -> bool:
        event = self._bells[bell]
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return False
        event.clear()
        return True

    async def close(self) -> None:
        self._bells.clear()
