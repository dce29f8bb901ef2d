"""What was fetched lately: kept, asked for once however many want it, and never more often than is good for us."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from kakitome.core.errors import EventRefused
from kakitome.sources.certificates import CertificateUnavailable

T = TypeVar("T")


class Recent(Generic[T]):
    """Up to `most` values by address. A refusal (`EventRefused`) is kept for `refused_for` seconds, an absence not at
    all; at most `a_minute` fetches begin within any minute, beyond which `CertificateUnavailable` is raised."""

    def __init__(self, most: int, refused_for: float, a_minute: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._refused_for = refused_for
        self._monotonic = monotonic
        self._values: OrderedDict[str, T] = OrderedDict()
        self._refusals: OrderedDict[str, tuple[float, EventRefused]] = OrderedDict()
        self._begun: deque[float] = deque(maxlen=a_minute)
        self._under_way: dict[str, asyncio.Future[T]] = {}

    async def get(self, url: str, fetch: Callable[[], Awaitable[T]]) -> T:
        if url in self._values:
            self._values.move_to_end(url)
            return self._values[url]
        until, refusal = self._refusals.get(url, (0.0, None))
        if refusal is not None and self._monotonic() < until:
            raise EventRefused(refusal.what, refusal.remedy, **refusal.data)  # anew: this one has its own way to go
        if url not in self._under_way:
            self._spend()
            task = self._under_way[url] = asyncio.ensure_future(self._fetched(url, fetch))
            task.add_done_callback(lambda done: self._done(url, done))
        return await asyncio.shield(self._under_way[url])  # one who goes away does not take it from the others

    def _spend(self) -> None:
        now = self._monotonic()
        if len(self._begun) == self._begun.maxlen and now - self._begun[0] < 60:
            raise CertificateUnavailable(
                "Too many different certificates were named within a minute, so this event was not taken.",
                "SNS tries again for an hour. If this goes on, somebody who knows your topic plays with you.",
            )
        self._begun.append(now)

    async def _fetched(self, url: str, fetch: Callable[[], Awaitable[T]]) -> T:
        try:
            value = await fetch()
        except EventRefused as refusal:
            self._refusals[url] = (self._monotonic() + self._refused_for, refusal)
            _shorten(self._refusals, self._most)
            raise
        self._values[url] = value
        _shorten(self._values, self._most)
        return value

    def _done(self, url: str, task: asyncio.Future[T]) -> None:
        self._under_way.pop(url, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it


def _shorten(kept: OrderedDict[str, object] | OrderedDict[str, T], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
