"""What every queue must keep, as clauses: subclass `QueueContract` as `Test…` and give it `make`.

A queue may lose, repeat and reorder. So the contract asks for little: that a ring usually wakes whoever waits, that
waiting ends, and that nothing which is lost or repeated hurts anybody. Needs no pytest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kakitome.ports.queue import MOST_TICKETS, Queue

LONG = 30.0
"""Seconds: only a queue that never wakes anybody waits so long."""

MANY = 1_000


class QueueContract:
    """`soon` is so many seconds that a ring which is there would be heard by then: more than a moment for a queue on
    another machine. `apart` is whether `make` answers the same bells each time, as another process would see them."""

    soon = 0.01
    apart = True

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
            assert not await queue.wait("bulk", self.soon)

        self.play(clause)

    def test_bells_are_apart(self) -> None:
        async def clause(queue: Queue) -> None:
            await queue.ring("bulk")
            assert not await queue.wait("transactional", self.soon)

        self.play(clause)

    def test_ringing_again_and_again_is_bounded(self) -> None:
        """A doorbell, not a list: a thousand rings before anybody looks are a few turns."""

        async def clause(queue: Queue) -> None:
            for _ in range(MANY):
                await queue.ring("bulk")
            assert await queue.wait("bulk", LONG)
            heard = 1
            while heard <= MOST_TICKETS and await queue.wait("bulk", self.soon):
                heard += 1
            assert heard <= MOST_TICKETS

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

    def test_all_who_wait_in_one_process_hear_it(self) -> None:
        """Two loops for lists wait on one bell; neither takes the ring away from the other."""

        async def clause(queue: Queue) -> None:
            waiting = [asyncio.create_task(queue.wait("bulk", LONG)) for _ in range(2)]
            await asyncio.sleep(0)
            await queue.ring("bulk")
            assert await asyncio.gather(*waiting) == [True, True]

        self.play(clause)

    def test_a_ring_is_heard_once(self) -> None:
        """Usually: else a worker would look again and again for work that it did."""

        async def clause(queue: Queue) -> None:
            await queue.ring("bulk")
            assert await queue.wait("bulk", LONG)
            assert not await queue.wait("bulk", self.soon)

        self.play(clause)

    def test_what_one_process_rings_another_hears(self) -> None:
        """Also when the one that rang is gone by then. Asked only of queues that are not within one process."""

        async def clause(queue: Queue) -> None:
            if self.apart:
                return
            for ends_first in (True, False):
                other = await self.make()
                waiting = asyncio.create_task(queue.wait("bulk", LONG))
                await asyncio.sleep(0)
                await other.ring("bulk")
                if ends_first:
                    await other.close()
                assert await waiting
                if not ends_first:
                    await other.close()

        self.play(clause)

    def test_a_worker_looks_for_itself(self) -> None:
        """A lost ring costs a time that the queue names, and no more than a minute."""

        async def clause(queue: Queue) -> None:
            assert 0 < queue.idle <= 60

        self.play(clause)

    def test_it_may_end_with_a_ring_untold(self) -> None:
        async def clause(queue: Queue) -> None:
            await queue.ring("transactional")

        self.play(clause)
