"""An SMTP server that says what a test tells it to at each verb, and writes down what it heard."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

from stages import serving

from kakitome.core.outcome import Outcome
from kakitome.hosts.clock import SystemClock
from kakitome.ports.transport import Parcel
from kakitome.testing.parcels import ScriptedWire, outcomes
from kakitome.transports.smtp import SmtpSettings, SmtpTransport

_USUAL = {
    "CONNECT": b"220 mx.example ESMTP\r\n",
    "EHLO": b"250-mx.example\r\n250 SIZE 1000000\r\n",
    "AUTH": b"235 2.7.0 Welcome\r\n",
    "MAIL": b"250 2.1.0 Ok\r\n",
    "RCPT": b"250 2.1.5 Ok\r\n",
    "DATA": b"354 Go ahead\r\n",
    "BODY": b"250 2.0.0 Ok: queued as 4cHk5n\r\n",
    "RSET": b"250 2.0.0 Ok\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


class SmtpScript:
    """`once` holds what a verb is answered the first time it comes, `(close)` for the end; then the usual.

    `heard` are the lines, the mails among them as `BODY`; `mails` their bytes, `cut` those that ended too early.
    """

    tls: ssl.SSLContext | None = None  # what STARTTLS leads to

    def __init__(self, once: dict[str, bytes] | None = None, **always: bytes) -> None:
        self._once = dict(once or {})
        self._always = _USUAL | always
        self.heard: list[str] = []
        self.mails: list[bytes] = []
        self.cut: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        verb = "CONNECT"
        while words := self._once.pop(verb, b"") or self._always.get(verb, b"502 5.5.1 What?\r\n"):
            if words == b"(close)":
                return
            writer.write(words)
            await writer.drain()
            if verb == "STAR" and self.tls is not None:
                await writer.start_tls(self.tls)
            if not words.endswith(b"\n") or verb == "QUIT":
                return
            verb = await self._next(reader, words)
            if not verb:
                return

    async def _next(self, reader: asyncio.StreamReader, said: bytes) -> str:
        if said.startswith(b"354"):
            try:
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            except asyncio.IncompleteReadError as error:
                self.cut.append(error.partial)
                return ""
            self.heard.append("BODY")
            return "BODY"
        line = (await reader.readline()).decode("latin-1").strip()
        if line:
            self.heard.append(line)
        return line[:4].upper()

    def verbs(self) -> list[str]:
        return [line[:4].upper() for line in self.heard]


async def by_smtp(
    server: SmtpScript, *batches: Sequence[Parcel], wire: ScriptedWire | None = None, **settings: Any
) -> list[Outcome]:
    """The batches on one connection in the clear, unless told otherwise; all outcomes."""
    tls: ssl.SSLContext | None = settings.pop("server_tls", None)
    async with serving(server, tls) as port:
        options: dict[str, Any] = {"host": "127.0.0.1", "tls": "none", "connections": 1, "timeout": 5.0}
        transport = SmtpTransport(SmtpSettings(port=port, **options | settings), SystemClock())
        try:
            return [one for batch in batches for one in await outcomes(transport, batch, wire or ScriptedWire())]
        finally:
            await transport.close()
