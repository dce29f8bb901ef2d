"""Brings events to whoever subscribed, at least once, without making a sender wait.

Events wait in memory as facts; the JSON and the signature are made when one is posted. A post that is not answered
with 2xx is tried three times in quick succession and then once a second, for `retry_seconds` since its first failure:
the same bytes with the same SNS MessageId. As with SNS, the order is not promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import aiohttp

from . import ses_event
from .clock import Clock
from .faults import CHANGED_EVENTS, LOST_EVENTS, Faults, Occasion
from .ses_event import Happening
from .sns import Notification, Signer

POSTERS = 16  # a subscriber may take its time over each
QUICK_PAUSES = (0.05, 0.2)  # seconds between the first three tries
SLOW_PAUSE = 1.0
LIMIT = 200_000  # events that may wait; about a kilobyte each
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass
class Tally:
    """What became of the events. `published` counts happenings, the rest counts posts to one subscriber."""

    published: int = 0
    delivered: int = 0
    lost: int = 0  # by the fault
    overflowed: int = 0  # more waited than there is room for
    given_up: int = 0
    failed_tries: int = 0


@dataclass(eq=False)
class Post:
    """One event on its way to one subscriber."""

    happening: Happening
    message_id: str
    url: str
    generation: int
    notification: Notification | None = None
    give_up_at: float | None = None  # time of the loop; set by the first failure
    undelivered: bool = False  # its quick tries failed


class Publisher:
    """`async with` runs its posters. `base_url` is where the simulator serves its certificate."""

    def __init__(
        self,
        *,
        signer: Signer,
        clock: Clock,
        faults: Faults,
        new_id: Callable[[], str],
        urls: Iterable[str],
        delay: float,
        retry_seconds: float,
    ) -> None:
        self.urls = list(urls)
        self.base_url = ""
        self.tally = Tally()
        self._signer = signer
        self._clock = clock
        self._faults = faults
        self._new_id = new_id
        self._delay = delay
        self._retry_seconds = retry_seconds
        self._generation = 0
        self._waiting = 0  # in the queue, in a timer or being posted
        self._undelivered = 0
        self._queue: asyncio.Queue[Post] = asyncio.Queue()
        self._pen = asyncio.Lock()
        self._posters: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Publisher:
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

    def publish(self, happening: Happening) -> None:
        """Take an event in; never waits, and never fails for want of a subscriber."""
        self.tally.published += 1
        delay, copies = self._delay, 1
        occasion = Occasion(self._clock.ticks(), happening.passage.via, happening.recipients)
        if self._faults.first(LOST_EVENTS, occasion):
            self.tally.lost += 1
            return
        for fault in self._faults.all(CHANGED_EVENTS, occasion):
            match fault.name:
                case "duplicate_events":
                    copies += int(fault.argument)
                case "delay_events":
                    delay += float(fault.argument)
                case "reorder_events":
                    delay += fault.chance.random()
        message_id = self._new_id()
        for url in self.urls * copies:
            self._wait(Post(happening, message_id, url, self._generation), delay)

    def forget(self) -> None:
        """Drop what waits and start counting anew."""
        self._generation += 1
        self._waiting = self._undelivered = 0
        self.tally = Tally()

    def report(self) -> dict[str, int]:
        return asdict(self.tally) | {"waiting": self._waiting, "undelivered": self._undelivered}

    def _wait(self, post: Post, delay: float) -> None:
        if self._waiting >= LIMIT:
            self.tally.overflowed += 1
            return
        self._waiting += 1
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._queue.put_nowait, post)
        else:
            self._queue.put_nowait(post)

    async def _run(self) -> None:
        while True:
            post = await self._queue.get()
            if post.generation == self._generation:
                delivered = await self._post(post)
                self._settle(post, delivered)

    async def _post(self, post: Post) -> bool:
        notification = post.notification or await self._sign(post)
        if await self._try(post.url, notification):
            return True
        if post.give_up_at is None:
            post.notification = notification
            post.give_up_at = asyncio.get_running_loop().time() + self._retry_seconds
            for pause in QUICK_PAUSES:
                await asyncio.sleep(pause)
                if await self._try(post.url, notification):
                    return True
        return False

    def _settle(self, post: Post, delivered: bool) -> None:
        if post.generation != self._generation:
            return
        loop = asyncio.get_running_loop()
        if not delivered and loop.time() < (post.give_up_at or 0):
            self._undelivered += not post.undelivered
            post.undelivered = True
            loop.call_later(SLOW_PAUSE, self._queue.put_nowait, post)
            return
        self._waiting -= 1
        self._undelivered -= post.undelivered
        self.tally.delivered += delivered
        self.tally.given_up += not delivered

    async def _sign(self, post: Post) -> Notification:
        """One signature in a turn of the loop, so that a crowd of events does not hold up the accepting of mail."""
        async with self._pen:
            await asyncio.sleep(0)
            return self._signer.notification(
                message=ses_event.event(post.happening),
                subject=ses_event.SUBJECT,
                topic=ses_event.topic(post.happening.turn),
                message_id=post.message_id,
                at=self._clock.now(),
                base_url=self.base_url,
            )

    async def _try(self, url: str, notification: Notification) -> bool:
        try:
            # Redirects are not followed and certificates not checked: every address is a loopback address.
            async with self._session.post(
                url, data=notification.body, headers=notification.headers, ssl=False, allow_redirects=False
            ) as answer:
                await answer.read()
                if 200 <= answer.status < 300:
                    return True
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        self.tally.failed_tries += 1
        return False
