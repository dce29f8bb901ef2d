"""The doorbell of one process. Other processes do not hear it: their workers look for themselves, every `idle`."""

from __future__ import annotations

import asyncio
from collections import defaultdict

IDLE_S = 0.25
"""A look into a file on this machine costs a fraction of a millisecond."""


class EmbeddedQueue:
    """See `ports.queue.Queue`."""

    def __init__(self, idle: float = IDLE_S) -> None:
        self.idle = idle
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
