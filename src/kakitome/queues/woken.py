"""A doorbell that somebody else listens to: AWS Elastic Beanstalk takes the tickets of a queue, and wakes by HTTP.

Rings go out as ever. What is waited for is being woken, so that nobody rings himself awake.
"""

from __future__ import annotations

from kakitome.ports.queue import Queue
from kakitome.queues.embedded import EmbeddedQueue


class WokenQueue:
    """See `ports.queue.Queue`."""

    def __init__(self, far: Queue) -> None:
        self._far = far
        self._near = EmbeddedQueue(far.idle)

    @property
    def idle(self) -> float:
        return self._far.idle

    async def ring(self, bell: str) -> None:
        await self._far.ring(bell)

    async def wait(self, bell: str, seconds: float) -> bool:
        return await self._near.wait(bell, seconds)

    async def wake(self) -> None:
        """For each bell: which of them it was for is not said."""
        for bell in ("transactional", "bulk"):
            await self._near.ring(bell)

    async def close(self) -> None:
        await self._far.close()
