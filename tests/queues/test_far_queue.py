"""A doorbell on another machine: who waits for it, what it costs, and what becomes of it when the way there is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from kakitome.queues.far import GAP_S, BellSilent, FarQueue

LONG = 30.0


class Wire:
    """A line whose answers the test gives. `looks` are the looks that are under way."""

    name = "The queue far away"

    def __init__(self) -> None:
        self.told: list[str] = []
        self.looks: list[asyncio.Future[bool]] = []
        self.trouble: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.news = asyncio.Condition()

    async def tell(self, bell: str) -> None:
        await self.open.wait()
        if self.trouble is not None:
            raise self.trouble
        async with self.news:
            self.told.append(bell)
            self.news.notify_all()

    async def hear(self, bell: str) -> bool:
        if self.trouble is not None:
            raise self.trouble
        look = asyncio.get_running_loop().create_future()
        async with self.news:
            self.looks.append(look)
            self.news.notify_all()
        return bool(await look)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self.news:
            await self.news.wait_for(condition)

    async def close(self) -> None: ...


class Pauses:
    """Sleep that ends when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[float] = asyncio.Queue()
        self.go_on = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        self.asked.put_nowait(seconds)
        await self.go_on.acquire()


def far(body: Callable[[FarQueue, Wire, Pauses], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(LONG):
            wire, pauses = Wire(), Pauses()
            queue = FarQueue(wire, 5.0, pauses.sleep)
            try:
                await body(queue, wire, pauses)
            finally:
                await queue.close()

    asyncio.run(run())


def test_who_rings_waits_for_no_network() -> None:
    """The answer to a booking must not hang on a queue that does not answer."""

    async def body(queue: FarQueue, wire: Wire, _: Pauses) -> None:
        wire.open.clear()
        await queue.ring("transactional")
        assert wire.told == []
        wire.open.set()
        await wire.until(lambda: wire.told == ["transactional"])

    far(body)


def test_rings_that_are_close_together_become_one() -> None:
    """And the last of them is told all the same: it may be about mail that nobody has looked at yet."""

    async def body(queue: FarQueue, wire: Wire, pauses: Pauses) -> None:
        for _ in range(100):
            await queue.ring("bulk")
        assert await pauses.asked.get() == GAP_S
        for _ in range(100):
            await queue.ring("bulk")
        assert wire.told == ["bulk"]
        pauses.go_on.release()
        assert await pauses.asked.get() == GAP_S
        assert wire.told == ["bulk", "bulk"]

    far(body)


def test_a_ring_during_the_telling_is_told_after_it() -> None:
    """What is on its way may have been heard before the mail was there."""

    async def body(queue: FarQueue, wire: Wire, pauses: Pauses) -> None:
        wire.open.clear()
        await queue.ring("bulk")
        await asyncio.sleep(0)
        await queue.ring("bulk")
        wire.open.set()
        await pauses.asked.get()
        pauses.go_on.release()
        await wire.until(lambda: wire.told == ["bulk", "bulk"])

    far(body)


def test_a_command_that_ends_at_once_has_rung() -> None:
    """`kakitome send` hands in, rings and is gone."""

    async def body(queue: FarQueue, wire: Wire, _: Pauses) -> None:
        await queue.ring("transactional")
        await queue.close()
        assert wire.told == ["transactional"]

    far(body)


def test_a_busy_worker_takes_no_ring_away() -> None:
    """It listens only while it waits: what comes when it does not is for another one, or for later."""

    async def body(queue: FarQueue, wire: Wire, _: Pauses) -> None:
        first = asyncio.create_task(queue.wait("bulk", LONG))
        await wire.until(lambda: len(wire.looks) == 1)
        wire.looks[0].set_result(True)
        assert await first
        await asyncio.sleep(0)
        assert len(wire.looks) == 1

    far(body)


def test_all_who_wait_share_one_look() -> None:
    """However often a worker's own look ends: each look of the line's is paid for."""

    async def body(queue: FarQueue, wire: Wire, pauses: Pauses) -> None:
        for _ in range(3):
            both = [asyncio.create_task(queue.wait("bulk", 0)) for _ in range(2)]
            assert await asyncio.gather(*both) == [False, False]
        waiting = [asyncio.create_task(queue.wait("bulk", LONG)) for _ in range(2)]
        await wire.until(lambda: len(wire.looks) == 1)
        wire.looks[0].set_result(True)
        assert await asyncio.gather(*waiting) == [True, True]
        assert len(wire.looks) == 1

    far(body)


def test_an_outage_is_said_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    """With what happened, what to do, and that mail goes on; it is tried again as often as a worker looks."""

    async def body(queue: FarQueue, wire: Wire, pauses: Pauses) -> None:
        wire.trouble = BellSilent("It is gone.", "Look for it.")
        waiting = asyncio.create_task(queue.wait("bulk", LONG))
        await queue.ring("bulk")
        for _ in range(6):
            assert await pauses.asked.get() == queue.idle
            pauses.go_on.release()
        [said] = caplog.records
        words = "It is gone. Look for it. Mail goes on: workers look for themselves, every 5 s."
        assert (said.levelno, said.getMessage()) == (logging.ERROR, words)
        wire.trouble = None
        for _ in range(2):
            pauses.go_on.release()
        await wire.until(lambda: wire.told == ["bulk"] and len(wire.looks) == 1)
        wire.looks[0].set_result(True)
        assert await waiting
        assert [each.getMessage() for each in caplog.records[1:]] == ["The queue far away works again."]

    far(body)


def test_an_error_of_ours_stops_no_bell(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged whole and tried again: nobody would notice a listener that has ended."""

    async def body(queue: FarQueue, wire: Wire, pauses: Pauses) -> None:
        wire.trouble = ValueError("a mistake")
        waiting = asyncio.create_task(queue.wait("bulk", LONG))
        await pauses.asked.get()
        wire.trouble = None
        pauses.go_on.release()
        await wire.until(lambda: len(wire.looks) == 1)
        wire.looks[0].set_result(True)
        assert await waiting
        assert caplog.records[0].exc_info is not None

    far(body)
