"""SendGrid's events on their way: signed arrays. What has gathered is posted together, up to `BATCH` events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from .clock import Clock
from .delivery import Delivery, Post, taken
from .faults import Faults
from .sendgrid_event import EventSigner, Json

VIA = "sendgrid"
BATCH = 100


@dataclass(eq=False, kw_only=True)
class _Array(Post):
    """Events for one subscriber. `body` and `headers` are made by the first try and stay the same."""

    url: str
    told: list[Json]
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class SendGridPublisher(Delivery[_Array]):
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
        super().__init__(clock=clock, faults=faults, delay=delay, retry_seconds=retry_seconds)
        self.urls = list(urls)
        self._signer = signer

    def publish(self, event: Json) -> None:
        """Take an event in; never waits, and never fails for want of a subscriber."""
        copies, delay = self._fate(VIA, (str(event["email"]),))
        for url in self.urls * copies:
            self._wait(_Array(generation=self._generation, url=url, told=[event]), delay)

    def _join(self, post: _Array, next_one: _Array) -> bool:
        if post.body or next_one.body or post.url != next_one.url or post.events >= BATCH:
            return False
        post.told += next_one.told
        post.events += next_one.events
        return True

    async def _bring(self, post: _Array) -> bool:
        if not post.body:
            post.body = msgspec.json.encode(post.told)
            post.headers = self._signer.headers(post.body, self._clock.now())
        return await taken(self._session, post.url, post.body, post.headers)
