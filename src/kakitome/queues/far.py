"""A doorbell on another machine, whatever it is made of: nobody waits for its network, and it may be gone.

Who rings leaves it to a task, which tells it now and then at most every `GAP_S`, and goes on until it is told. Who
waits shares one long look with all who wait in this process, and a look begins only while somebody waits: a busy worker
takes no ring away from an idle one. Trouble is said once, and once that it is over; meanwhile workers look for
themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from kakitome.core.errors import KakitomeError

log = logging.getLogger("kakitome.queue")

LOOK_S: Final = 20
"""Seconds that one look waits for a ring: the most that SQS does (API reference, ReceiveMessage)."""
IDLE_S: Final = 5.0
"""Looking into a ledger on another machine costs money: a worker that hears nothing does so no more often."""
GAP_S: Final = 0.25
"""Rings of one process that are closer together become one: workers are awake by then."""
FAREWELL_S: Final = 2.0
"""So long a process that ends waits to tell its last rings. A command must not hang because a queue does."""

Sleep = Callable[[float], Awaitable[None]]


class BellSilent(KakitomeError):
    """The queue cannot be reached, or refuses. Nothing is lost and nothing stops: it costs time."""

    slug = "bell-silent"


class Line(Protocol):
    """The way to a queue. Both may raise `BellSilent`, and both may be cancelled."""

    @property
    def name(self) -> str:
        """For the log; without a secret."""
        ...

    async def tell(self, bell: str) -> None:
        """One ticket more, at most `MOST_TICKETS` in all where the queue can count them."""
        ...

    async def hear(self, bell: str) -> bool:
        """Take what waits there, or wait for it, at most `LOOK_S` seconds. Whether there was anything."""
        ...

    async def close(self) -> None: ...


class FarQueue:
    """See `ports.queue.Queue`. Where there is trouble the queue is asked again every `idle` seconds."""

    def __init__(self, line: Line, idle: float = IDLE_S, sleep: Sleep = asyncio.sleep) -> None:
        self.idle = idle
        self._line = line
        self._sleep = sleep
        self._rung: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._heard: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._silent: set[tuple[str, str]] = set()

    async def ring(self, bell: str) -> None:
        self._rung[bell] += 1
        self._kept_up("tell", bell, self._tell)

    async def wait(self, bell: str, seconds: float) -> bool:
        heard = self._heard[bell]
        self._waiting[bell] += 1
        try:
            async with asyncio.timeout(seconds):
                if not heard.is_set():
                    self._kept_up("hear", bell, self._listen)
                await heard.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting[bell] -= 1
        heard.clear()
        return True

    async def close(self) -> None:
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.told()
        await self._line.close()

    async def told(self) -> None:
        """Tell what was rung and not told yet, if that takes no longer than a moment: for a process that ends, or that
        is stopped until somebody needs it again (a function of AWS Lambda)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                for bell in [bell for bell in self._rung if self._told[bell] < self._rung[bell]]:
                    await self._tell_once(bell)

    def _kept_up(self, what: str, bell: str, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """One task of each kind for each bell, begun when it is needed."""
        task = self._tasks.get((what, bell))
        if task is None or task.done():
            self._tasks[what, bell] = asyncio.create_task(work(bell))

    async def _tell(self, bell: str) -> None:
        while self._told[bell] < self._rung[bell]:
            await self._sleep(GAP_S if await self._tell_once(bell) else self.idle)

    async def _tell_once(self, bell: str) -> bool:
        rung = self._rung[bell]  # a ring that comes while this one is told is told after it
        try:
            await self._line.tell(bell)
        except Exception as error:
            self._trouble(("tell", bell), error)
            return False
        self._told[bell] = rung
        self._over(("tell", bell))
        return True

    async def _listen(self, bell: str) -> None:
        while self._waiting[bell]:
            try:
                heard = await self._line.hear(bell)
            except Exception as error:
                self._trouble(("hear", bell), error)
                await self._sleep(self.idle)
                continue
            self._over(("hear", bell))
            if heard:
                self._heard[bell].set()
                return

    def _trouble(self, what: tuple[str, str], error: Exception) -> None:
        if not self._silent:
            ours = None if isinstance(error, BellSilent) else error
            said = f"{self._line.name} meets an error of ours." if ours else str(error)
            log.error("%s Mail goes on: workers look for themselves, every %g s.", said, self.idle, exc_info=ours)
        self._silent.add(what)

    def _over(self, what: tuple[str, str]) -> None:
        if what in self._silent:
            self._silent.remove(what)
            if not self._silent:
                log.warning("%s works again.", self._line.name)
