"""Brings events to whoever subscribed, at least once, without making a sender wait.

Events wait in memory as facts; the JSON and the signature are made when one is posted. A post that is not answered
with 2xx is tried three times in quick succession and then once a second, for `retry_seconds` since its first failure:
the same bytes with the same SNS MessageId. As with SNS, the order is not promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import aiohttp

from . import ses_event
from .clock import Clock, real
from .faults import CHANGED_EVENTS, LOST_EVENTS, Faults, Occasion
from .ses_event import Happening
from .setup import Setup
from .sns import Notification, Signer
from .targets import Target, target

POSTERS = 16  # a subscriber may take its time over each
QUICK_PAUSES = (0.05, 0.2)  # seconds between the first three tries
SLOW_PAUSE = 1.0
LIMIT = 200_000  # events that may wait; about a kilobyte each
VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
_FORMS = {"eventType": ses_event.event, "notificationType": ses_event.notification}
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

    happening: Happening | str  # a text is SES's own word about a topic
    message_id: str
    target: Target
    topic: str | None  # where an event destination sends it; `None`: to the topic that is usual for its kind
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
        setup: Setup,
        new_id: Callable[[], str],
        urls: Iterable[str],
        delay: float,
        retry_seconds: float,
    ) -> None:
        self.targets = [target(url) for url in urls]
        self.base_url = ""
        self.tally = Tally()
        self._signer = signer
        self._clock = clock
        self._faults = faults
        self._setup = setup
        self.new_id = new_id
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
        routed = self._setup.topics(happening.passage.letter, ses_event.kind(happening.turn))
        self._address(happening, routed if routed is not None else [None], copies, delay)

    def validate(self, topic: str) -> None:
        """What SES publishes to a topic that has become an event destination: a text and no JSON."""
        self._address(VALIDATED, [topic], 1, 0.0)

    @property
    def urls(self) -> list[str]:
        return [each.name for each in self.targets]

    @urls.setter
    def urls(self, urls: Iterable[str]) -> None:
        self.targets = [target(url) for url in urls]

    def _address(self, what: Happening | str, topics: Sequence[str | None], copies: int, delay: float) -> None:
        for topic in topics:
            message_id = self.new_id()
            for each in self.targets * copies:
                self._wait(Post(what, message_id, each, topic, self._generation), real(delay, self._clock))

    async def confirmation(self, url: str, topic: str, token: str) -> int:
        """Ask a subscriber to confirm; returns the status of its answer. Raises what the network raises."""
        asked = self._signer.confirmation(
            topic=topic, token=token, message_id=self.new_id(), at=self._clock.now(), base_url=self.base_url
        )
        async with self._session.post(
            url, data=asked.body, headers=asked.headers, ssl=False, allow_redirects=False
        ) as answer:
            return answer.status

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
        if notification is None:
            return True  # nothing that is told in this form
        if await self._try(post, notification):
            return True
        if post.give_up_at is None:
            post.notification = notification
            post.give_up_at = asyncio.get_running_loop().time() + self._retry_seconds
            for pause in QUICK_PAUSES:
                await asyncio.sleep(pause)
                if await self._try(post, notification):
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

    async def _sign(self, post: Post) -> Notification | None:
        """One signature in a turn of the loop, so that a crowd of events does not hold up the accepting of mail."""
        what = post.happening
        if isinstance(what, str):
            text, usual = what, ""
        else:
            told = _FORMS[self._signer.form.event_form](what)
            if told is None:
                return None
            text, usual = told, ses_event.topic(what.turn)
        topic = post.topic or usual
        if not post.target.signed:
            return Notification({}, b"", topic, ses_event.SUBJECT, text)
        async with self._pen:
            await asyncio.sleep(0)
            return self._signer.notification(
                message=text,
                subject=ses_event.SUBJECT,
                topic=topic,
                message_id=post.message_id,
                at=self._clock.now(),
                base_url=self.base_url,
            )

    async def _try(self, post: Post, notification: Notification) -> bool:
        try:
            if await post.target.bring(self._session, notification, post.topic is not None):
                return True
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        self.tally.failed_tries += 1
        return False
