"""Where events are brought: an HTTP endpoint as SNS calls it, an SNS topic, an SQS queue.

    http://127.0.0.1:8700/events/ses       as a subscription of SNS
    sns:ARN@ENDPOINT                       published to the topic; SNS does the rest
    sqs:QUEUE_URL@ENDPOINT                 as the message that a subscription of the queue would bring

The topic of an SNS target is where events go that no event destination of a configuration set sends elsewhere; it may
be empty where there are such destinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from .aws_post import publish_to_topic, send_to_queue
from .delivery import taken
from .options import OptionError, events_url
from .sns import Notification


class Target(Protocol):
    """`signed`: whether it takes what SNS signs, or the message itself."""

    @property
    def name(self) -> str: ...

    @property
    def signed(self) -> bool: ...

    async def bring(self, session: aiohttp.ClientSession, notification: Notification, routed: bool) -> bool:
        """Whether it was taken. `routed`: an event destination chose the topic. Raises what the network raises."""
        ...


@dataclass(frozen=True)
class Endpoint:
    """A subscription over HTTP or HTTPS."""

    name: str
    signed = True

    async def bring(self, session: aiohttp.ClientSession, notification: Notification, routed: bool) -> bool:
        return await taken(session, self.name, notification.body, notification.headers)


@dataclass(frozen=True)
class Topic:
    name: str
    arn: str
    endpoint: str
    signed = False

    async def bring(self, session: aiohttp.ClientSession, notification: Notification, routed: bool) -> bool:
        arn = notification.topic if routed or not self.arn else self.arn
        return await publish_to_topic(session, self.endpoint, arn, notification.subject, notification.text)


@dataclass(frozen=True)
class Queue:
    name: str
    url: str
    endpoint: str
    signed = True

    async def bring(self, session: aiohttp.ClientSession, notification: Notification, routed: bool) -> bool:
        return await send_to_queue(session, self.endpoint, self.url, notification.body.decode())


def target(text: str) -> Target:
    """Read one of the forms above. Raises `OptionError`."""
    kind, _, rest = text.partition(":")
    if kind not in {"sns", "sqs"}:
        return Endpoint(events_url(text))
    address, at, endpoint = rest.rpartition("@")
    if not at or urlsplit(endpoint).scheme not in {"http", "https"}:
        raise OptionError(f"{text!r} is not {kind}:{'ARN' if kind == 'sns' else 'QUEUE_URL'}@ENDPOINT")
    if kind == "sns":
        if address and address.count(":") < 5:
            raise OptionError(f"{address!r} is not the ARN of a topic")
        return Topic(text, address, endpoint)
    if urlsplit(address).scheme not in {"http", "https"}:
        raise OptionError(f"{address!r} is not the URL of a queue")
    return Queue(text, address, endpoint)
