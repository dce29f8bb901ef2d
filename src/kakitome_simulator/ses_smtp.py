"""SES's SMTP interface: the bytes of the dialogue, in batches.

Whatever has come in is answered as far as it goes and the replies leave in one write, so a client that pipelines
(RFC 2920) is served as fast as it sends.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import cast

from .letter import letter
from .reception import MAX_SIZE, Decision, Reception
from .smtp_dialogue import GREETING, TOO_LONG_LINE, Dialogue, Manners, Next, Reply

MAX_LINE = 4096  # RFC 5321 §4.5.3.1.4 asks for 512, AUTH (RFC 4954 §4) for more
HELD_LIMIT = 256 * 1024  # bytes kept of a client that goes on talking while its reply is delayed
END = b"\r\n.\r\n"


class SesSmtp:
    """Makes one protocol for each connection; `sessions` are those that are open."""

    def __init__(self, reception: Reception, manners: Manners, tls: ssl.SSLContext) -> None:
        self._reception = reception
        self._manners = manners
        self.tls = tls
        self.sessions: set[Session] = set()
        self.connections = 0

    async def listen(self, host: str, port: int, *, implicit_tls: bool) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Session(self, secure=implicit_tls), host, port, ssl=self.tls if implicit_tls else None
        )

    def close(self) -> None:
        for session in list(self.sessions):
            session.abort()

    def dialogue(self, source_ip: str, *, secure: bool) -> Dialogue:
        def hand_in(reverse_path: str, recipients: tuple[str, ...], data: bytes) -> Decision:
            return self._reception.hand_in(letter("SendSmtpEmail", reverse_path, recipients, data), "smtp", source_ip)

        return Dialogue(self._manners, hand_in, secure=secure)


class Session(asyncio.Protocol):
    """One connection. While a reply is delayed, or TLS begins, the session is held: it reads and says nothing."""

    def __init__(self, server: SesSmtp, *, secure: bool) -> None:
        self._server = server
        self._secure = secure
        self._buffer = bytearray()
        self._take: Callable[[], Reply | None] = self._take_command
        self._scanned = 0  # how much of the buffer holds no end of data
        self._overlong = False
        self._held = False
        self._upgrade: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.sessions.add(self)
        self._server.connections += 1
        peer = transport.get_extra_info("peername")
        self._dialogue = self._server.dialogue(peer[0], secure=self._secure)
        self._transport.write(GREETING.text)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.sessions.discard(self)
        self._held = True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._held:
            self._advance()
        elif len(self._buffer) > HELD_LIMIT:
            self._transport.pause_reading()

    def abort(self) -> None:
        self._held = True
        if self._upgrade is not None:
            self._upgrade.cancel()
        self._transport.abort()

    def _advance(self) -> None:
        """Answer all that is there; stop at the first reply that does more than say something."""
        replies: list[bytes] = []
        while (reply := self._take()) is not None:
            if reply.delay:
                self._held = True
                asyncio.get_running_loop().call_later(reply.delay, self._release, reply)
                break
            replies.append(reply.text)
            if reply.then is Next.DATA:
                self._take = self._take_data
            elif reply.then is not Next.COMMAND:
                self._turn(reply.then, b"".join(replies))
                return
        if replies:
            self._transport.write(b"".join(replies))

    def _release(self, reply: Reply) -> None:
        """Say what was delayed, unless the client has gone, and go on with what it said meanwhile."""
        if self not in self._server.sessions:
            return
        self._held = False
        if reply.then is not Next.COMMAND:
            self._turn(reply.then, reply.text)
            return
        self._transport.write(reply.text)
        self._transport.resume_reading()
        self._advance()

    def _turn(self, then: Next, said: bytes) -> None:
        self._held = True
        match then:
            case Next.TLS:
                # Nothing that was sent in the clear may count as said under TLS.
                self._buffer.clear()
                self._transport.pause_reading()
                self._transport.write(said)
                self._upgrade = asyncio.get_running_loop().create_task(self._start_tls())
            case Next.RESET:
                reset(self._transport)
            case _:
                self._transport.write(said)
                self._transport.close()

    async def _start_tls(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(self._transport, self, self._server.tls, server_side=True)
        except OSError:  # a handshake that fails ends the connection
            self._transport.abort()
            return
        if secured is None:  # the client left in the middle of it
            return
        self._transport = secured
        self._dialogue.secured()
        self._held = False
        self._advance()

    def _take_command(self) -> Reply | None:
        end = self._buffer.find(b"\n")
        if end > MAX_LINE or (end < 0 and len(self._buffer) > MAX_LINE):
            return TOO_LONG_LINE
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return self._dialogue.command(line.removesuffix(b"\r"))

    def _take_data(self) -> Reply | None:
        """Only CRLF, dot, CRLF ends the data: a bare line feed there is how mails are smuggled in."""
        buffer = self._buffer
        if buffer.startswith(b".\r\n") and not self._overlong:
            return self._finish(b"", 3)
        end = buffer.find(END, self._scanned)
        if end >= 0:
            return self._finish(bytes(buffer[: end + 2]), end + len(END))
        if len(buffer) > MAX_SIZE * 4 // 3 + len(END):  # as much as stuffing can add
            self._overlong = True
            del buffer[: -len(END)]
        self._scanned = max(0, len(buffer) - len(END) + 1)
        return None

    def _finish(self, data: bytes, length: int) -> Reply:
        del self._buffer[:length]
        overlong, self._overlong, self._scanned = self._overlong, False, 0
        self._take = self._take_command
        mail = _unstuffed(data)
        return self._dialogue.content(None if overlong or len(mail) > MAX_SIZE else mail)


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with a TCP reset: no lingering means that what is unsent is thrown away."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    cast(asyncio.Transport, transport).abort()


def _unstuffed(data: bytes) -> bytes:
    """Take away the dot that the client put before each line that begins with one (RFC 5321 §4.5.2)."""
    return data.replace(b"\r\n.", b"\r\n").removeprefix(b".")
