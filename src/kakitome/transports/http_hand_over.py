"""How one request is handed to an API over HTTP: the order that keeps a mail from going out twice, for every provider.

The completing write is the request itself. It is one write on an open connection, directly behind `wire.begin`, so
whatever goes wrong before (name, connection, certificate, keys) is certain, and whatever is not a whole answer after
it is a doubt. Nothing is ever sent again.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import msgspec

from kakitome.core.outcome import Outcome, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply
from kakitome.ports.clock import Clock
from kakitome.transports.http_endpoint import Endpoint
from kakitome.transports.http_line import Answer, Connection, Exchange, NoAnswer
from kakitome.transports.lines import WITHDRAWN
from kakitome.transports.opening import Unreached

IDLE_LIMIT: Final = 10.0  # seconds; an older connection may have been forgotten on its way, and opening one is cheap


class Heard(msgspec.Struct, frozen=True):
    """An answer that came whole; `seconds` is how long it took."""

    answer: Answer
    seconds: float


class Request(Protocol):
    """What goes in one request, a mail or several, and what the wire says of them."""

    async def turn(self) -> bool:
        """Wait for `wire.turn`; false where nobody is left to go. Asked again behind a connection that was lost."""
        ...

    def exchange(self) -> Exchange | Outcome:
        """The request for all who go, or why it may not begin now. What cannot be made shows here, before `begin`."""
        ...

    def begin(self, made: Exchange) -> Exchange | None:
        """Ask `wire.begin`, and only that: `made`, or one without whom the wire refused; `None` where it refused all.

        It is no coroutine: nothing may come between the wire's yes and the write.
        """
        ...


class HttpLine:
    """What lines over HTTP have in common of `lines.Line`: one connection, and the one way a request takes over it."""

    def __init__(self, endpoint: Endpoint, clock: Clock, timeout: float) -> None:
        """`timeout` (seconds) is how long a request may wait for the whole of its answer."""
        self._endpoint = endpoint
        self._clock = clock
        self._timeout = timeout
        self._connection: Connection | None = None

    async def exchanged(self, request: Request) -> Heard | Outcome:
        """The answer, or what became of the request without one. Raises `Unreached` only before `begin`."""
        connection = await self._opened()
        if not await request.turn():
            return WITHDRAWN
        if not connection.usable:  # closed while the mail waited for its slot
            connection = await self._opened()
            if not await request.turn():
                return WITHDRAWN
        made = request.exchange()
        if not isinstance(made, Exchange):
            return made
        if not connection.usable:
            raise _turned_away()
        # From `begin` to the write nothing is awaited: a stop in between would leave a doubt that need not be.
        exchange = request.begin(made)
        if exchange is None:
            return WITHDRAWN
        return await self._answered(connection.write(exchange), exchange)

    async def _answered(self, answering: asyncio.Future[Answer], exchange: Exchange) -> Heard | Uncertain:
        """What became of the completing write: from `begin` on, silence means doubt."""
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                return Heard(await answering, self._clock.monotonic() - began)
        except NoAnswer as silence:
            return _doubt(silence.reason, silence.detail, silence.status, self._clock.monotonic() - began)
        except TimeoutError:
            self.drop()
            return _doubt("timeout", "", exchange.status, self._clock.monotonic() - began)

    async def _opened(self) -> Connection:
        """A connection that is open as far as this machine can know. Raises `Unreached`."""
        # A close that has come in already must be seen: the first turn of the loop polls, the second one tells.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        there = self._connection
        if there is not None and there.usable and asyncio.get_running_loop().time() - there.idle_since < IDLE_LIMIT:
            return there
        self.drop()
        self._connection = await self._endpoint.connect()
        return self._connection

    def drop(self) -> None:
        """Cut the connection, at once and without a word. The line can be used again."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _doubt(reason: str, detail: str, status: int, seconds: float) -> Uncertain:
    return Uncertain(reason, Reply(code=status, text=detail, protocol="http", latency_ms=round(seconds * 1000)))


def _turned_away() -> Unreached:
    reply = Reply(code=0, text="The connection was closed as soon as it was open.", protocol="http")
    return Unreached(Unavailable(Unavailability.REFUSED_CONNECTION, reply))
