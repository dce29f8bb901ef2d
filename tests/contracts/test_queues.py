"""The queues, against the contract that is exported."""

from __future__ import annotations

from kakitome.ports.queue import Queue
from kakitome.queues.embedded import EmbeddedQueue
from kakitome.testing.queue import QueueContract


class TestEmbedded(QueueContract):
    async def make(self) -> Queue:
        return EmbeddedQueue()
