"""SMTP submission (RFC 5321, 6409), for any server and for SES's SMTP endpoint.

The conversation for one parcel is `_converse`: only what happens behind the final dot can put a mail in doubt, and
there any reply at all is certain. Connections are few, verified, and stay open from batch to batch.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import Literal

import aiosmtplib
import msgspec

from kakitome.core.classify import Stage, smtp_outcome
from kakitome.core.errors import ConfigurationError
from kakitome.core.ids import message_text
from kakitome.core.outcome import Outcome, Released, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply, parse_smtp_reply
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Capabilities, Parcel, Wire

CONNECT_TIMEOUT = 30.0
COMMAND_TIMEOUT = 300.0  # RFC 5321 §4.5.3.2.2, .3
DATA_TIMEOUT = 120.0  # §4.5.3.2.4
DOT_TIMEOUT = 600.0  # §4.5.3.2.6


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`ca` is a PEM file trusted instead of the system's. With provider `ses`, tags and configuration set travel as
    header fields that SES takes out (developer guide, "Sending with the SMTP interface")."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    connections: int = 8
    timeout: float = DOT_TIMEOUT
    ca: str | None = None
    provider: Literal["smtp", "ses"] = "smtp"
    configuration_set: str | None = None

    def __repr__(self) -> str:
        return f"SmtpSettings({self.host}:{self.port}, {self.tls}, {self.provider})"


class SmtpTransport:
    """See `ports.transport.Transport`."""

    def __init__(self, settings: SmtpSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tls = _tls_context(settings)
        self._idle: list[aiosmtplib.SMTP] = []

    @property
    def capabilities(self) -> Capabilities:
        s = self._settings
        return Capabilities(
            places=s.connections,
            events=s.provider == "ses",
            envelope_differs=True,
            raw=True,
            timeout=s.timeout,
        )

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncIterator[tuple[int, Outcome]]:
        answers: asyncio.Queue[tuple[int, Outcome] | Exception] = asyncio.Queue()
        batch = _Batch(parcels, wire, answers, iter(range(len(parcels))))
        lines = [asyncio.create_task(self._line(batch)) for _ in range(min(self._settings.connections, len(parcels)))]
        try:
            for _ in parcels:
                answer = await answers.get()
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            for line in lines:
                line.cancel()
            await asyncio.gather(*lines, return_exceptions=True)

    async def close(self) -> None:
        for client in self._idle:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=1.0)
        self._idle.clear()

    async def _line(self, batch: _Batch) -> None:
        """One connection's work: parcel after parcel, until none is left or the lane is ill."""
        try:
            await self._parcels(batch)
        except Exception as mistake:  # ours: whoever waits for the answers must hear of it
            batch.answers.put_nowait(mistake)

    async def _parcels(self, batch: _Batch) -> None:
        client = self._idle.pop() if self._idle else None
        for index in batch.rest:
            if batch.ill:
                outcome: Outcome = Released("lane stopped")
            else:
                client, outcome = await self._one(client, index, batch)
            batch.ill = batch.ill or isinstance(outcome, Unavailable)
            batch.answers.put_nowait((index, outcome))
        if client is not None and client.is_connected:
            self._idle.append(client)

    async def _one(
        self, client: aiosmtplib.SMTP | None, index: int, batch: _Batch
    ) -> tuple[aiosmtplib.SMTP | None, Outcome]:
        """One parcel. A connection that the server closed while it was idle is replaced: nothing was said on it."""
        reused = client is not None and client.is_connected
        if client is None or not reused:
            opened = await self._open()
            if isinstance(opened, Unavailable):
                return None, opened
            client = opened
        if not await batch.wire.ready(index):
            return client, Released("withdrawn")
        try:
            return client, await self._converse(client, index, batch)
        except _Silence as silence:
            client.close()
            if reused and silence.stage is Stage.MAIL:
                return await self._one(None, index, batch)
            return None, silence.outcome

    async def _open(self) -> aiosmtplib.SMTP | Unavailable:
        s = self._settings
        client = aiosmtplib.SMTP(
            hostname=s.host,
            port=s.port,
            timeout=CONNECT_TIMEOUT,
            use_tls=s.tls == "implicit",
            start_tls=s.tls == "starttls",
            tls_context=self._tls,
        )
        stage = Stage.CONNECT
        try:
            await client.connect()
            stage = Stage.EHLO
            await client.ehlo()
            if s.username:
                stage = Stage.AUTH
                await client.login(s.username, s.password)
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            outcome = smtp_outcome(stage, parse_smtp_reply(error.code, error.message), s.provider, now=self._now())
            return outcome if isinstance(outcome, Unavailable) else _unreached(Unavailability.REFUSED_CONNECTION, error)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            return _unreached(_why(error), error)
        return client

    async def _converse(self, client: aiosmtplib.SMTP, index: int, batch: _Batch) -> Outcome:
        """MAIL, RCPT, DATA, the dot. Raises `_Silence` where the server stops talking."""
        parcel, wire = batch.parcels[index], batch.wire
        body = self._body(parcel)
        for stage, command, good, timeout in (
            (Stage.MAIL, self._mail(client, parcel, len(body)), 250, COMMAND_TIMEOUT),
            (Stage.RCPT, f"RCPT TO:<{parcel.recipient}>", 250, COMMAND_TIMEOUT),
            (Stage.DATA, "DATA", 354, DATA_TIMEOUT),
        ):
            reply = await self._command(client, stage, command, timeout)
            if reply.code != good and not (stage is Stage.RCPT and reply.code == 251):
                return await self._refused(client, stage, reply, parcel)
        if not await wire.turn(index) or not wire.begin(index):
            client.close()  # behind 354 there is no other way to take it back
            return Released("withdrawn")
        return await self._dot(client, body, parcel)

    async def _dot(self, client: aiosmtplib.SMTP, body: bytes, parcel: Parcel) -> Outcome:
        """The completing write, and its reply: from here on silence means doubt."""
        protocol, began = client.protocol, self._clock.monotonic()
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            protocol.write(body)
            response = await protocol.read_response(timeout=self._settings.timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            return Uncertain(f"no reply behind the final dot ({type(error).__name__}: {error})")
        if response.code == 421:
            client.close()
        reply = msgspec.structs.replace(
            parse_smtp_reply(response.code, response.message),
            latency_ms=round((self._clock.monotonic() - began) * 1000),
        )
        return smtp_outcome(Stage.BODY, reply, self._settings.provider, now=self._now(), recipients=(parcel.recipient,))

    async def _command(self, client: aiosmtplib.SMTP, stage: Stage, command: str, timeout: float) -> Reply:
        try:
            response = await client.execute_command(command.encode("ascii"), timeout=timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _Silence(stage, error) from error
        return parse_smtp_reply(response.code, response.message)

    async def _refused(self, client: aiosmtplib.SMTP, stage: Stage, reply: Reply, parcel: Parcel) -> Outcome:
        if client.is_connected:
            with suppress(_Silence):
                await self._command(client, stage, "RSET", COMMAND_TIMEOUT)
        return smtp_outcome(stage, reply, self._settings.provider, now=self._now(), recipients=(parcel.recipient,))

    def _mail(self, client: aiosmtplib.SMTP, parcel: Parcel, size: int) -> str:
        command = f"MAIL FROM:<{parcel.sender}>"
        if client.supports_extension("size"):
            command += f" SIZE={size}"
        if self._settings.provider == "smtp" and client.supports_extension("dsn"):
            command += f" ENVID={message_text(parcel.message)}.{parcel.fence}"  # RFC 3461 §4.4
        return command

    def _body(self, parcel: Parcel) -> bytes:
        """Our bytes, with SES's fields before them, dots doubled (RFC 5321 §4.5.2), and the final dot."""
        head = b""
        if self._settings.provider == "ses":
            tags = ", ".join(f"{name}={value}" for name, value in parcel.correlation.items())
            head = f"X-SES-MESSAGE-TAGS: {tags}\r\n".encode("ascii")
            if self._settings.configuration_set:
                head += f"X-SES-CONFIGURATION-SET: {self._settings.configuration_set}\r\n".encode("ascii")
        whole = (head + parcel.raw).replace(b"\r\n.", b"\r\n..")
        return whole + (b".\r\n" if whole.endswith(b"\r\n") else b"\r\n.\r\n")

    def _now(self) -> int:
        return self._clock.now()


class _Batch:
    def __init__(
        self,
        parcels: Sequence[Parcel],
        wire: Wire,
        answers: asyncio.Queue[tuple[int, Outcome] | Exception],
        rest: Iterator[int],
    ) -> None:
        self.parcels = parcels
        self.wire = wire
        self.answers = answers
        self.rest = rest
        self.ill = False


class _Silence(Exception):
    """The server stopped talking before the completing write: certainly not accepted."""

    def __init__(self, stage: Stage, error: Exception) -> None:
        super().__init__(stage, error)
        self.stage = stage
        self.outcome = _unreached(Unavailability.REFUSED_CONNECTION, error)


def _unreached(reason: Unavailability, error: Exception) -> Unavailable:
    return Unavailable(reason, Reply(code=0, text=f"{type(error).__name__}: {error}"))


def _why(error: Exception) -> Unavailability:
    causes = {type(e) for e in (error, error.__cause__, error.__context__) if e is not None}
    if any(issubclass(c, ssl.SSLError) for c in causes) or isinstance(error, ValueError):
        return Unavailability.TLS
    names = {c.__name__ for c in causes}
    return Unavailability.DNS if "gaierror" in names else Unavailability.REFUSED_CONNECTION


def _tls_context(settings: SmtpSettings) -> ssl.SSLContext | None:
    if settings.tls == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The certificates in {settings.ca} cannot be read ({error}).", "Point `ca` at a PEM file."
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
