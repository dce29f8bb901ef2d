"""What the tests of single transports share: servers that say what a test tells them to, byte by byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from kakitome.core.outcome import Outcome
from kakitome.core.sigv4 import Keys
from kakitome.hosts.clock import SystemClock
from kakitome.ports.transport import Parcel
from kakitome.testing.parcels import ScriptedWire, outcomes
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.ses import SesSettings, SesTransport
from kakitome_simulator.remote import Remote

KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzEBYaD==")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class FixedKeys(AwsCredentials):
    """Keys without a chain; `forgotten` counts how often they were sent back."""

    forgotten = 0

    async def keys(self) -> Keys:
        return KEYS

    def forget(self) -> None:
        self.forgotten += 1


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server in the same loop; what is still under way at the end is cut off."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of the next request. Raises `IncompleteReadError` at the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    return head, await reader.readexactly(int(fields[b"content-length"]))


def answer(body: bytes = b'{"MessageId":"0100-1"}', status: str = "200 OK", *fields: str) -> bytes:
    head = "".join(f"{field}\r\n" for field in (f"Content-Length: {len(body)}", *fields))
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


class Scripted:
    """A server that gives each request the next of its answers, `None` for a closed connection and no answer.

    `heads` and `bodies` are the requests that came; `connections` how many were opened.
    """

    def __init__(self, *answers: bytes | None, then_close: bool = False) -> None:
        self._answers = iter(answers)
        self._then_close = then_close
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            head, body = await request(reader)
            self.heads.append(head)
            self.bodies.append(body)
            words = next(self._answers)
            if words is None:
                return
            writer.write(words)
            await writer.drain()
            if self._then_close or not words.startswith(b"HTTP/1.1 ") or b"@close" in words:
                writer.close()
                return


async def by_api(
    port: int, mails: Sequence[Parcel], wire: ScriptedWire | None = None, **settings: object
) -> list[Outcome]:
    """One batch through the SES API transport on one connection, unless told otherwise."""
    options: dict[str, object] = {"endpoint": f"http://127.0.0.1:{port}", "connections": 1, "timeout": 5.0}
    transport = SesTransport(
        SesSettings(region="us-east-1", **options | settings),  # type: ignore[arg-type]
        FixedKeys(),
        SystemClock(),
    )
    try:
        return await outcomes(transport, mails, wire or ScriptedWire())
    finally:
        await transport.close()


def scripted(mails: Sequence[Parcel], *answers: bytes | None, **settings: object) -> tuple[list[Outcome], Scripted]:
    """One batch to a `Scripted` server, and what the server heard."""

    async def batch() -> list[Outcome]:
        async with serving(server) as port:
            return await by_api(port, mails, None, **settings)

    server = Scripted(*answers)
    return asyncio.run(batch()), server


def simulated(
    remote: Remote, mails: Sequence[Parcel], wire: ScriptedWire | None = None, **settings: object
) -> list[Outcome]:
    """One batch to the simulator."""
    return asyncio.run(by_api(int(remote.http.rsplit(":", 1)[1]), mails, wire, **settings))
