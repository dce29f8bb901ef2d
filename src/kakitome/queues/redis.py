"""The doorbell in a Redis, which may be a web application's: it is a guest there.

Two keys, `PREFIX:bell:transactional` and `PREFIX:bell:bulk`: lists of at most `MOST_TICKETS` entries of one byte, which
are gone after a minute. Nothing else is read or written, and nothing needs to survive a restart. The commands are
LPUSH, LTRIM and PEXPIRE in one MULTI (so that no key is left without its end), and BLPOP; besides them AUTH and SELECT.
"""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import dataclass, field
from typing import Any, Final

from kakitome.ports.queue import MOST_TICKETS
from kakitome.queues.far import LOOK_S, BellSilent

TICKET_LIVES_MS: Final = 60_000
"""A ticket that nobody took so long is news to nobody: every worker has looked for itself meanwhile."""
_CONNECT_S: Final = 5.0

_REMEDIES: Final = {
    "AuthenticationError": "Look at the user in queue.url and at queue.password.",
    "AuthenticationWrongNumberOfArgsError": "Look at the user in queue.url and at queue.password.",
    "NoPermissionError": "Its user needs lpush, ltrim, pexpire, blpop, multi and exec on the keys of the prefix.",
    "OutOfMemoryError": "Redis has reached its maxmemory, and its policy evicts nothing.",
    "ReadOnlyError": "It is a replica: name the primary in queue.url.",
}


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """Which Redis, and where in it."""

    host: str
    port: int = 6379
    database: int = 0
    username: str | None = None
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: str | None = None
    prefix: str = "kakitome"


class RedisLine:
    """See `queues.far.Line`."""

    def __init__(self, place: RedisPlace) -> None:
        self._place = place
        self._client: Any = None
        self._errors: tuple[type[BaseException], ...] = ()

    @property
    def name(self) -> str:
        return f"The queue in Redis ({self._place.host}:{self._place.port})"

    async def tell(self, bell: str) -> None:
        await self._ask("_push", bell)

    async def hear(self, bell: str) -> bool:
        return await self._ask("_pop", bell) is not None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _push(self, key: str) -> None:
        async with self._client.pipeline(transaction=True) as both:
            both.lpush(key, "1")
            both.ltrim(key, 0, MOST_TICKETS - 1)
            both.pexpire(key, TICKET_LIVES_MS)
            await both.execute()

    async def _pop(self, key: str) -> object:
        return await self._client.blpop([key], timeout=LOOK_S)

    async def _ask(self, what: str, bell: str) -> object:
        if self._client is None:  # the library takes a moment to load: not in the loop that sends by the millisecond
            redis = await asyncio.to_thread(importlib.import_module, "redis.asyncio")
            self._errors = (redis.RedisError, OSError, TimeoutError)
            self._client = self._client or _client(redis, self._place)
        try:
            return await getattr(self, what)(f"{self._place.prefix}:bell:{bell}")
        except self._errors as error:
            raise _silent(self.name, error) from error


def _client(redis: Any, place: RedisPlace) -> Any:
    retry = importlib.import_module("redis.asyncio.retry").Retry
    backoff = importlib.import_module("redis.backoff").NoBackoff
    tls = {"ssl": True, "ssl_ca_certs": place.ca} if place.tls else {}
    return redis.Redis(
        host=place.host,
        port=place.port,
        db=place.database,
        username=place.username,
        password=place.password or None,
        protocol=2,
        socket_connect_timeout=_CONNECT_S,
        socket_timeout=LOOK_S + _CONNECT_S,  # an answer to BLPOP comes within its own time, or never
        retry=retry(backoff(), 0),  # repeating is the caller's: one who listens is heard to fail at once
        driver_info=None,  # else it tells the server its name by a command that a guest may not be allowed
        **tls,
    )


def _silent(name: str, error: BaseException) -> BellSilent:
    kinds = [kind.__name__ for kind in type(error).__mro__]
    remedy = next((_REMEDIES[kind] for kind in kinds if kind in _REMEDIES), "It is asked again by itself.")
    return BellSilent(f"{name} cannot be used now ({type(error).__name__}: {str(error)[:300]}).", remedy)
