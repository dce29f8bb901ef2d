"""SNS, as far as a subscriber over HTTP meets it: asked to confirm, and confirming by the API.

Whoever fetches the SubscribeURL has confirmed too, as with SNS; `fetched` says so, for the tests of those who must not.
"""

from __future__ import annotations

import msgspec
from aiohttp import ClientError

from .publisher import Publisher


class Subscription(msgspec.Struct):
    url: str
    topic: str
    token: str
    confirmed: bool = False
    fetched: bool = False


class Subscriptions:
    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.all: list[Subscription] = []

    async def ask(self, url: str, topic: str) -> int:
        """Post a SubscriptionConfirmation to the URL; what it answered, 0 for nothing."""
        token = self._publisher.new_id().replace("-", "") * 2
        self.all.append(Subscription(url, topic, token))
        try:
            return await self._publisher.confirmation(url, topic, token)
        except (ClientError, OSError, TimeoutError):
            return 0

    def confirm(self, topic: str, token: str, *, fetched: bool) -> str | None:
        """The ARN of the subscription, which gets events from now on; `None` for an unknown token."""
        found = next((one for one in self.all if (one.topic, one.token) == (topic, token)), None)
        if found is None:
            return None
        found.confirmed, found.fetched = True, found.fetched or fetched
        if found.url not in self._publisher.urls:
            self._publisher.urls = [*self._publisher.urls, found.url]
        return f"{topic}:00000000-0000-4000-8000-000000000000"
