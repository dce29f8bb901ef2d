"""One HTTP/1.1 connection on which we know to the instruction when a request's first byte goes out.

HTTP clients open, re-use, re-send and redirect behind their caller's back; a mail must not go out twice. So h11 knows
HTTP here, asyncio knows sockets, and a request is one write on a connection that is open. Nothing is ever sent again.

    Exchange      one request and its answer, without a socket
    Connection    the socket; carries one exchange at a time
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import h11
import msgspec

from kakitome.transports.opening import unreached

CONNECT_TIMEOUT: Final = 15.0  # seconds; with the TLS handshake
ANSWER_LIMIT: Final = 64 * 1024  # bytes, head and body each
ATTEMPT_DELAY: Final = 0.25  # seconds until the next address is tried beside the first (RFC 8305 §8)


class Answer(msgspec.Struct, frozen=True):
    """A whole answer. Names of header fields are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class NoAnswer(Exception):
    """The request went out and no whole answer came: nobody knows what became of it.

    `reason` is one of `connection_lost`, `truncated`, `unreadable`, `too_long`; `status` is set where the head came.
    """

    def __init__(self, reason: str, detail: str = "", status: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.status = status


class Exchange:
    """One request and its answer. `request` is every byte of it; making one says nothing to anybody."""

    def __init__(self, path: str, headers: list[tuple[str, str]], body: bytes, method: str = "POST") -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_LIMIT)
        fields = [*headers, ("content-length", str(len(body)))]
        events = (h11.Request(method=method, target=path, headers=fields), h11.Data(data=body), h11.EndOfMessage())
        self.request = b"".join(self._http.send(event) or b"" for event in events)
        self._heard = False
        self._head: h11.Response | None = None
        self._body = bytearray()

    def receive(self, data: bytes) -> Answer | None:
        """Take what came in, `b""` for its end. Raises `NoAnswer` when it can become no answer any more."""
        self._heard = self._heard or bool(data)
        if not self._heard:
            raise NoAnswer("connection_lost", "closed without a word")
        try:
            self._http.receive_data(data)
            return self._read()
        except h11.RemoteProtocolError as error:
            raise NoAnswer("unreadable" if data else "truncated", str(error), self.status) from error

    def _read(self) -> Answer | None:
        while True:
            match self._http.next_event():
                case h11.NEED_DATA:
                    return None
                case h11.InformationalResponse():
                    pass
                case h11.Response() as head:
                    self._head = head
                case h11.Data(data=data):
                    self._body += data
                    if len(self._body) > ANSWER_LIMIT:
                        raise NoAnswer("too_long", f"more than {ANSWER_LIMIT} bytes", self.status)
                case h11.EndOfMessage():
                    return Answer(self.status, self._headers(), bytes(self._body))
                case other:
                    raise NoAnswer("unreadable", repr(other), self.status)

    @property
    def status(self) -> int:
        return self._head.status_code if self._head is not None else 0

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow on the same connection: nobody wants it closed, nothing is left over."""
        return self._http.our_state is self._http.their_state is h11.DONE and not self._http.trailing_data[0]

    def _headers(self) -> dict[str, str]:
        found = self._head.headers if self._head is not None else ()
        return {name.decode("ascii"): value.decode("latin-1") for name, value in found}


class Connection(asyncio.Protocol):
    """An open connection. Made by `connect` only."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self.idle_since = loop.time()

    @property
    def usable(self) -> bool:
        """Open as far as the loop has looked, and nothing under way."""
        return self._transport is not None and not self._transport.is_closing() and self._answer is None

    def write(self, exchange: Exchange) -> asyncio.Future[Answer]:
        """Put the whole request out, now. The future fails with `NoAnswer`; who gives up on it calls `abort`."""
        assert self._transport is not None
        assert self.usable
        self._exchange = exchange
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(exchange.request)
        return self._answer

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        self.abort()
        await self._lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:
            self.abort()  # words that nobody asked for must never be taken for the next answer
        else:
            self._receive(self._exchange, data)

    def eof_received(self) -> None:
        if self._exchange is not None:
            self._receive(self._exchange, b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(
            NoAnswer("connection_lost", repr(exc) if exc else "", self._exchange.status if self._exchange else 0)
        )
        self._lost.set_result(None)

    def _receive(self, exchange: Exchange, data: bytes) -> None:
        try:
            answer = exchange.receive(data)
        except NoAnswer as error:
            self._fail(error)
            self.abort()
            return
        if answer is None:
            return
        unsent = self._transport is not None and self._transport.get_write_buffer_size()
        if not exchange.reusable or unsent:
            self.abort()
        waiting, self._answer, self._exchange = self._answer, None, None
        self.idle_since = asyncio.get_running_loop().time()
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _fail(self, error: NoAnswer) -> None:
        waiting, self._answer, self._exchange = self._answer, None, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)


async def connect(host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
    """An open connection, verified where there is TLS. Raises `Unreached`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, connection = await loop.create_connection(
                Connection, host, port, ssl=tls, happy_eyeballs_delay=ATTEMPT_DELAY
            )
    except (OSError, UnicodeError) as error:
        raise unreached(error, "http") from error
    return connection
