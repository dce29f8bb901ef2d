"""What every queue must keep, as clauses: subclass `QueueContract` as `Test…` and give it `make`.

A queue may lose, repeat and reorder. So the contract asks for little: that a ring usually wakes whoever waits, that
waiting ends, and that nothing which is lost or repeated hurts anybody. Needs no pytest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kakitome.ports.queue import Queue

LONG = 30.0
"""Seconds: only a queue that never wakes anybody waits so long."""


class QueueContract:
    async def make(self) -> Queue:
        """A queue on which nobody has rung."""
        raise NotImplementedError("say how to make the queue")

    def play(self, clause: Callable[[Queue], Awaitable[None]]) -> None:
        async def run() -> None:
            queue = await self.make()
            try:
                await clause(queue)
            finally:
                await queue.close()

        asyncio.run(run())

    def test_a_ring_wakes_who_waits(self) -> None:
        async def clause(queue: Queue) -> None:
            waiting = asyncio.create_task(queue.wait("bulk", LONG))
            await asyncio.sleep(0)
            await queue.ring("bulk")
            assert await waiting

        self.play(clause)

    def test_a_ring_before_the_wait_is_heard(self) -> None:
        async def clause(queue: Queue) -> None:
            await queue.ring("bulk")
            assert await queue.wait("bulk", LONG)

        self.play(clause)

    def test_waiting_ends(self) -> None:
        async def clause(queue: Queue) -> None:
            assert not await queue.wait("bulk", 0.01)

        self.play(clause)

    def test_bells_are_apart(self) -> None:
        async def clause(queue: Queue) -> None:
            await queue.ring("bulk")
            assert not await queue.wait("transactional", 0.01)

        self.play(clause)

    def test_ringing_again_and_again_is_bounded(self) -> None:
        """A doorbell, not a list: a thousand rings before anybody looks are not a thousand turns."""

        async def clause(queue: Queue) -> None:
            for _ in range(1_000):
                await queue.ring("bulk")
            heard = 0
            while await queue.wait("bulk", 0.01):
                heard += 1
            assert 1 <= heard < 1_000

        self.play(clause)

    def test_a_wait_that_is_given_up_takes_no_ring_along(self) -> None:
        async def clause(queue: Queue) -> None:
            waiting = asyncio.create_task(queue.wait("bulk", LONG))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await queue.ring("bulk")
            assert await queue.wait("bulk", LONG)

        self.play(clause)
