"""Who rings: whoever hands mail in, and the sweeper for what became due by itself. A worker waits as long as its queue
says, and a queue that says nothing costs time only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

from test_worker import Shift, Ticking, shift
from workshop import HOUR, SECOND, Workshop

from kakitome.core.policy import Kind, Policy
from kakitome.sweep import ring
from kakitome.testing.ledger_world import World


class Bells:
    """A queue that hears and tells nobody; `rung` and `waits` are what it was asked, `times` when it was rung."""

    def __init__(self, idle: float = 7.0, time: Callable[[], float] = float) -> None:
        self.idle = idle
        self.times: asyncio.Queue[float] = asyncio.Queue()
        self._time = time
        self.rung: list[str] = []
        self.waits: list[tuple[str, float]] = []

    async def ring(self, bell: str) -> None:
        self.rung.append(bell)
        self.times.put_nowait(self._time())

    async def wait(self, bell: str, seconds: float) -> bool:
        self.waits.append((bell, seconds))
        await asyncio.sleep(0)
        return False

    async def close(self) -> None: ...


def test_the_sweeper_rings_for_runs_and_not_for_mails() -> None:
    """Hundreds of mails in several runs are one ring for each bell; what is not due is none."""

    async def run() -> None:
        shop, bells = Workshop(), Bells()
        world = World(shop.ledger)
        world.now = shop.clock.now()
        await ring(shop.ledger, bells, shop.clock)
        assert bells.rung == []
        await shop.mail(200)
        await ring(shop.ledger, bells, shop.clock)
        assert bells.rung == ["transactional"]
        for name in ("news", "offers"):
            stream = await shop.ledger.runs.stream(name, Policy(kind=Kind.BULK), world.now)
            await world.admit("a@example.com", "b@example.com", run=stream.id)
        await ring(shop.ledger, bells, shop.clock)
        assert bells.rung == ["transactional", "bulk", "transactional"]

    asyncio.run(run())


def test_the_sweeper_rings_when_the_time_has_come() -> None:
    """Nobody hands in what is tried again: only a clock says that it is due."""

    async def run() -> None:
        shop, bells = Workshop(), Bells()
        world = World(shop.ledger)
        world.now = shop.clock.now()
        stream = await shop.ledger.runs.stream("news", Policy(kind=Kind.BULK), world.now)
        await world.admit(run=stream.id, due=world.now + HOUR)
        await ring(shop.ledger, bells, shop.clock)
        assert bells.rung == []
        shop.clock.jump(HOUR + SECOND)
        await ring(shop.ledger, bells, shop.clock)
        assert bells.rung == ["bulk"]

    asyncio.run(run())


@shift
async def test_a_worker_looks_as_often_as_its_queue_says(s: Shift) -> None:
    """Each look into a ledger elsewhere is paid for; and a queue that hears nothing keeps no mail from going."""
    bells = Bells()
    s.worker._queue = bells
    async with s.working():
        await s.hand_in("booking", "a@example.com")
        await s.post.until("a@example.com")
    assert {seconds for _, seconds in bells.waits} == {bells.idle}


@shift
async def test_the_sweeper_of_a_worker_rings_no_more_often_than_it_looks(s: Shift) -> None:
    """Mail that cannot go now is due all the time: it must not keep everybody awake."""
    bells = Bells(3.0, s.clock.monotonic)
    s.route = lambda _: ()
    s.worker._queue = bells
    await s.hand_in("booking", "a@example.com")
    async with s.working():
        assert isinstance(s.clock, Ticking)
        for _ in range(7):
            s.clock.ticks.release()
        times = [await bells.times.get() for _ in range(3)]
    assert all(later - earlier >= bells.idle for earlier, later in pairwise(times))
