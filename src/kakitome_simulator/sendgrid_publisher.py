"""Brings SendGrid's events to whoever subscribed: signed arrays, at least once, without making a sender wait.

What has gathered is posted together, up to `BATCH` events. A post that is not answered with 2xx is tried again with the
same bytes and the same signature, quickly at first and then once a second, for `retry_seconds`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import aiohttp
import msgspec

from .clock import Clock
from .faults import CHANGED_EVENTS, LOST_EVENTS, Faults, Occasion
from .sendgrid_event import EventSigner, Json

VIA = "sendgrid"
BATCH = 100
POSTERS = 8
PAUSES = (0.05, 0.2)  # seconds between the first tries
SLOW_PAUSE = 1.0
LIMIT = 200_000  # events that may wait
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass
class Tally:
    """What became of the events; `posts` counts those that were answered with 2xx."""

    published: int = 0
    delivered: int = 0
    lost: int = 0  # by the fault
    overflowed: int = 0
    given_up: int = 0
    posts: int = 0
    failed_tries: int = 0


class SendGridPublisher:
    """`async with` runs its posters."""

    def __init__(
        self,
        signer: EventSigner,
        clock: Clock,
        faults: Faults,
        urls: Iterable[str],
        delay: float,
        retry_seconds: float,
    ) -> None:
        self.urls = list(urls)
        self.tally = Tally()
        self._signer = signer
        self._clock = clock
        self._faults = faults
        self._delay = delay
        self._retry_seconds = retry_seconds
        self._generation = 0
        self._ready: deque[tuple[int, str, Json]] = deque()
        self._news = asyncio.Event()
        self._posters: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> SendGridPublisher:
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

    def publish(self, event: Json) -> None:
        """Take an event in; never waits, and never fails for want of a subscriber."""
        self.tally.published += 1
        delay, copies = self._delay, 1
        occasion = Occasion(self._clock.ticks(), VIA, (str(event["email"]),))
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
        for url in self.urls * copies:
            if delay > 0:
                asyncio.get_running_loop().call_later(delay, self._put, (self._generation, url, event))
            else:
                self._put((self._generation, url, event))

    def forget(self) -> None:
        """Drop what waits and start counting anew."""
        self._generation += 1
        self._ready.clear()
        self.tally = Tally()

    def report(self) -> dict[str, int]:
        return asdict(self.tally) | {"waiting": len(self._ready)}

    def _put(self, waiting: tuple[int, str, Json]) -> None:
        if waiting[0] != self._generation:
            return
        if len(self._ready) >= LIMIT:
            self.tally.overflowed += 1
            return
        self._ready.append(waiting)
        self._news.set()

    async def _run(self) -> None:
        while True:
            while not self._ready:
                self._news.clear()
                await self._news.wait()
            generation, url, first = self._ready.popleft()
            batch = [first]
            while self._ready and self._ready[0][1] == url and len(batch) < BATCH:
                batch.append(self._ready.popleft()[2])
            await self._bring(generation, url, batch)

    async def _bring(self, generation: int, url: str, batch: list[Json]) -> None:
        body = msgspec.json.encode(batch)
        headers = self._signer.headers(body, self._clock.now())
        loop, tries = asyncio.get_running_loop(), 0
        give_up_at = loop.time() + self._retry_seconds
        while generation == self._generation:
            if await self._try(url, body, headers):
                self.tally.posts += 1
                self.tally.delivered += len(batch)
                return
            self.tally.failed_tries += 1
            if loop.time() > give_up_at:
                self.tally.given_up += len(batch)
                return
            await asyncio.sleep(PAUSES[tries] if tries < len(PAUSES) else SLOW_PAUSE)
            tries += 1

    async def _try(self, url: str, body: bytes, headers: dict[str, str]) -> bool:
        try:
            # Redirects are not followed and certificates not checked: every address is a loopback address.
            async with self._session.post(url, data=body, headers=headers, ssl=False, allow_redirects=False) as answer:
                await answer.read()
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
