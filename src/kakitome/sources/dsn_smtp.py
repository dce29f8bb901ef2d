"""Delivery reports by SMTP: a server for the lanes' reverse-paths and for nobody else, which relays nothing.

250 behind the final dot says that the events are durable, or that the mail is kept on a shelf; while the ledger cannot
write, the answer is 451 and the mail stays with its sender, which tries again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from kakitome.core.errors import LedgerUnavailable
from kakitome.sources.dsn_directory import keep
from kakitome.sources.dsn_intake import Intake, mailbox
from kakitome.sources.dsn_report import REPORT_LIMIT

log = logging.getLogger("kakitome.bounces")

AGAIN: Final = 30.0  # seconds until a port that is taken, by another worker mostly, is tried again
SILENCE: Final = 300.0  # seconds (RFC 5321 §4.5.3.2.7)
TOGETHER: Final = 8  # mails that are taken apart at once
CONNECTIONS: Final = 100

_TAKEN: Final = "250 2.6.0 Taken"
_LATER: Final = "451 4.3.0 It cannot be written down now; come again"
_NOBODY: Final = "550 5.1.1 Only bounces of this instance are taken here"
_BUSY: Final = "421 4.3.2 Too many connections; come again"


class DsnServer:
    """A door. `addresses` are the reverse-paths that it takes mail for; `folder` has the shelves."""

    def __init__(self, host: str, port: int, addresses: Collection[str], intake: Intake, folder: Path) -> None:
        self._place = (host, port)
        self._handler = _Handler(frozenset(map(mailbox, addresses)), intake, folder)

    async def run(self) -> None:
        """Serve until cancelled. A port that is taken is tried again: another worker may have it, and may end."""
        said = False
        while True:
            try:
                async with self.listening():
                    said = False
                    await asyncio.Event().wait()
            except OSError as trouble:
                if not said:
                    log.warning("Bounces cannot be taken at %s:%d here: %s", *self._place, trouble)
                said = True
                await asyncio.sleep(AGAIN)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Serve in this block, at the port that it is given; connections end with it. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        open_ones: set[_Connection] = set()
        host, port = self._place
        server = await loop.create_server(lambda: _Connection(self._handler, open_ones, loop), host, port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for connection in list(open_ones):
                connection.abort()


class _Connection(SMTP):
    def __init__(self, handler: _Handler, open_ones: set[_Connection], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            handler,
            data_size_limit=REPORT_LIMIT,
            hostname="kakitome",
            ident="bounces",
            timeout=SILENCE,
            loop=loop,
        )
        self._open_ones = open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._open_ones) >= CONNECTIONS and isinstance(transport, asyncio.WriteTransport):
            transport.write(f"{_BUSY}\r\n".encode("ascii"))
            transport.close()
            return
        self._open_ones.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._open_ones:
            self._open_ones.discard(self)
            super().connection_lost(error)

    def abort(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Handler:
    """What aiosmtpd asks; the names are its own."""

    def __init__(self, addresses: frozenset[str], intake: Intake, folder: Path) -> None:
        self._addresses = addresses
        self._intake = intake
        self._folder = folder
        self._places = asyncio.Semaphore(TOGETHER)

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if mailbox(address) not in self._addresses:
            return _NOBODY
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.original_content or b""
        async with self._places:
            try:
                await self._take(raw)
            except LedgerUnavailable as down:
                log.error("A bounce was put off: %s", down)
                return _LATER
        return _TAKEN

    async def _take(self, raw: bytes) -> None:
        verdict = await self._intake.take(raw)
        if verdict.shelf == "taken":
            return
        name = f"{hashlib.sha256(raw).hexdigest()[:32]}.eml"
        await asyncio.to_thread(keep, self._folder, verdict.shelf, name, raw)
        await self._intake.note(verdict, raw, "smtp")
        if verdict.shelf == "quarantine":
            log.warning("The bounce %s is in quarantine: %s", name, verdict.why)

    async def handle_exception(self, error: Exception) -> str:
        """An error of ours must not bounce the bounce."""
        log.error("A bounce could not be taken", exc_info=error)
        return _LATER
