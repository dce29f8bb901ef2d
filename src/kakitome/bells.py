"""The doorbell that the configuration names. Nothing is opened here: a queue that is gone stops no command."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

from kakitome.config import Config, milliseconds, place_of, secret
from kakitome.core.errors import ConfigurationError
from kakitome.ports.queue import Queue
from kakitome.queues.embedded import IDLE_S, EmbeddedQueue
from kakitome.queues.far import IDLE_S as FAR_IDLE_S
from kakitome.queues.far import FarQueue
from kakitome.queues.redis import RedisLine, RedisPlace
from kakitome.queues.sqs import SqsLine
from kakitome.sources import aws_client


def queue_of(config: Config) -> Queue:
    """Raises `ConfigurationError`, also where the extra that it needs is not installed."""
    table, place = config.queue, place_of(config.queue)
    look = milliseconds(table.look, "queue.look") / 1000 if table.look else None
    if place is None:
        return EmbeddedQueue(look or IDLE_S)
    if isinstance(place, RedisPlace):
        _needs("redis", "redis", table.url)
        password = secret(table.password, "queue.password")
        return FarQueue(RedisLine(replace(place, password=password)), look or FAR_IDLE_S)
    _needs("aiobotocore", "aws", table.url)
    return FarQueue(SqsLine(place, aws_client), look or FAR_IDLE_S)


def _needs(library: str, extra: str, url: str) -> None:
    if find_spec(library) is None:
        raise ConfigurationError(
            f"queue.url = {url!r} needs the package {library}, which is not installed. Nothing was started.",
            f"pip install 'kakitome[server,{extra}]'",
            key="queue.url",
        )
