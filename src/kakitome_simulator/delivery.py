"""Brings events to whoever subscribed, at least once, without making a sender wait: SES's and SendGrid's alike.

A post that is not answered with 2xx is tried three times in quick succession and then once a second, for
`retry_seconds` since its first failure, the same each time. As with the real ones, the order is not promised.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import asdict, dataclass
from typing import Generic, Self, TypeVar

import aiohttp

from .clock import Clock, real
from .faults import CHANGED_EVENTS, LOST_EVENTS, Faults, Occasion

POSTERS = 16  # a subscriber may take its time over each
QUICK_PAUSES = (0.05, 0.2)  # seconds between the first three tries
SLOW_PAUSE = 1.0
LIMIT = 200_000  # events that may wait; about a kilobyte each
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass
class Tally:
    """What became of the events. `published` counts happenings, the rest counts them once for each subscriber."""

    published: int = 0
    delivered: int = 0
    lost: int = 0  # by the fault
    overflowed: int = 0  # more waited than there is room for
    given_up: int = 0
    posts: int = 0  # that were taken; one may carry several events
    failed_tries: int = 0  # of posts


@dataclass(eq=False, kw_only=True)
class Post:
    """What is on its way to one subscriber; what it says is for each provider to add."""

    generation: int
    events: int = 1
    give_up_at: float | None = None  # time of the loop; set by the first failure
    undelivered: bool = False  # its quick tries failed


_P = TypeVar("_P", bound=Post)


async def taken(session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]) -> bool:
    """One POST. Redirects are not followed and certificates not checked: every address is a loopback address."""
    async with session.post(url, data=body, headers=headers, ssl=False, allow_redirects=False) as answer:
        await answer.read()
        return 200 <= answer.status < 300


class Delivery(ABC, Generic[_P]):
    """`async with` runs its posters. A provider's publisher says what its posts are and how one is brought."""

    def __init__(self, *, clock: Clock, faults: Faults, delay: float, retry_seconds: float) -> None:
        """`delay` is in seconds of the clock, `retry_seconds` in seconds of the wall."""
        self.tally = Tally()
        self._clock = clock
        self._faults = faults
        self._delay = delay
        self._retry_seconds = retry_seconds
        self._generation = 0
        self._waiting = 0  # events that are in the queue, in a timer or being posted
        self._undelivered = 0
        self._queue: deque[_P] = deque()
        self._news = asyncio.Event()
        self._posters: list[asyncio.Task[None]] = []

    @abstractmethod
    async def _bring(self, post: _P) -> bool:
        """Whether it was taken; called again with the same post where not. Raises what the network raises."""

    def _join(self, post: _P, next_one: _P) -> bool:
        """Whether what waits directly behind a post goes with it; then it has become part of it."""
        return False

    async def __aenter__(self) -> Self:
        # No cookies and no proxies of the environment: what is posted is only what a test asked for.
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=TIMEOUT)
        self._posters = [asyncio.create_task(self._run()) for _ in range(POSTERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for poster in self._posters:
            poster.cancel()
        ends = await asyncio.gather(*self._posters, return_exceptions=True)
        await self._session.close()
        for end in ends:
            if isinstance(end, Exception):  # a poster that died took events with it: never in silence
                raise end

    def forget(self) -> None:
        """Drop what waits and start counting anew."""
        self._generation += 1
        self._waiting = self._undelivered = 0
        self._queue.clear()
        self.tally = Tally()

    def report(self) -> dict[str, int]:
        return asdict(self.tally) | {"waiting": self._waiting, "undelivered": self._undelivered}

    def _fate(self, via: str, recipients: tuple[str, ...]) -> tuple[int, float]:
        """Count an event in. In how many copies it goes, 0 where a fault loses it, and how late in seconds."""
        self.tally.published += 1
        copies, delay = 1, self._delay
        occasion = Occasion(self._clock.ticks(), via, recipients)
        if self._faults.first(LOST_EVENTS, occasion):
            self.tally.lost += 1
            return 0, delay
        for fault in self._faults.all(CHANGED_EVENTS, occasion):
            match fault.name:
                case "duplicate_events":
                    copies += int(fault.argument)
                case "delay_events":
                    delay += float(fault.argument)
                case "reorder_events":
                    delay += fault.chance.random()
        return copies, delay

    def _wait(self, post: _P, delay: float) -> None:
        """Take a post in; never waits, and never fails for want of room."""
        if self._waiting >= LIMIT:
            self.tally.overflowed += post.events
            return
        self._waiting += post.events
        if delay > 0:
            asyncio.get_running_loop().call_later(real(delay, self._clock), self._put, post)
        else:
            self._put(post)

    def _put(self, post: _P) -> None:
        if post.generation == self._generation:
            self._queue.append(post)
            self._news.set()

    async def _run(self) -> None:
        while True:
            while not self._queue:
                self._news.clear()
                await self._news.wait()
            post = self._queue.popleft()
            while self._queue and self._join(post, self._queue[0]):
                self._queue.popleft()
            self._settle(post, await self._post(post))

    async def _post(self, post: _P) -> bool:
        if await self._try(post):
            return True
        if post.give_up_at is None:
            post.give_up_at = asyncio.get_running_loop().time() + self._retry_seconds
            for pause in QUICK_PAUSES:
                await asyncio.sleep(pause)
                if await self._try(post):
                    return True
        return False

    async def _try(self, post: _P) -> bool:
        try:
            if await self._bring(post):
                return True
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        self.tally.failed_tries += 1
        return False

    def _settle(self, post: _P, delivered: bool) -> None:
        if post.generation != self._generation:
            return
        loop = asyncio.get_running_loop()
        if not delivered and loop.time() < (post.give_up_at or 0):
            self._undelivered += 0 if post.undelivered else post.events
            post.undelivered = True
            loop.call_later(SLOW_PAUSE, self._put, post)
            return
        self._waiting -= post.events
        self._undelivered -= post.events if post.undelivered else 0
        self.tally.posts += delivered
        self.tally.delivered += post.events if delivered else 0
        self.tally.given_up += 0 if delivered else post.events
