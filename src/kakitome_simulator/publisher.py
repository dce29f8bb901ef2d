"""SES's events on their way. They wait in memory as facts; the JSON and the signature are made when one is posted, and
each try brings the same bytes with the same SNS MessageId.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from . import ses_event
from .clock import Clock
from .delivery import Delivery, Post
from .faults import Faults
from .ses_event import Happening
from .setup import Setup
from .sns import Notification, Signer
from .targets import Target, target

VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
_FORMS = {"eventType": ses_event.event, "notificationType": ses_event.notification}


@dataclass(eq=False, kw_only=True)
class _Letter(Post):
    """One event on its way to one subscriber."""

    happening: Happening | str  # a text is SES's own word about a topic
    message_id: str
    target: Target
    topic: str | None  # where an event destination sends it; `None`: to the topic that is usual for its kind
    notification: Notification | None = None


class Publisher(Delivery[_Letter]):
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
        super().__init__(clock=clock, faults=faults, delay=delay, retry_seconds=retry_seconds)
        self.targets = [target(url) for url in urls]
        self.base_url = ""
        self._signer = signer
        self._setup = setup
        self.new_id = new_id
        self._pen = asyncio.Lock()

    def publish(self, happening: Happening) -> None:
        """Take an event in; never waits, and never fails for want of a subscriber."""
        copies, delay = self._fate(happening.passage.via, happening.recipients)
        if not copies:
            return
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
                letter = _Letter(
                    generation=self._generation, happening=what, message_id=message_id, target=each, topic=topic
                )
                self._wait(letter, delay)

    async def confirmation(self, url: str, topic: str, token: str) -> int:
        """Ask a subscriber to confirm; returns the status of its answer. Raises what the network raises."""
        asked = self._signer.confirmation(
            topic=topic, token=token, message_id=self.new_id(), at=self._clock.now(), base_url=self.base_url
        )
        async with self._session.post(
            url, data=asked.body, headers=asked.headers, ssl=False, allow_redirects=False
        ) as answer:
            return answer.status

    async def _bring(self, post: _Letter) -> bool:
        post.notification = notification = post.notification or await self._sign(post)
        if notification is None:
            return True  # nothing that is told in this form
        return await post.target.bring(self._session, notification, post.topic is not None)

    async def _sign(self, post: _Letter) -> Notification | None:
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
