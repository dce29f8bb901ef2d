"""One SMTP connection (RFC 5321), and one parcel's way over it: MAIL, RCPT, DATA, the dot.

Only silence behind the final dot can put a mail in doubt, and there any reply at all is certain. Whatever goes wrong
before is certain too: the server has no whole mail.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Literal

import aiosmtplib
import msgspec

from kakitome.core.classify import Stage, smtp_outcome
from kakitome.core.ids import message_text
from kakitome.core.outcome import Outcome, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply, parse_smtp_reply
from kakitome.core.xtext import to_xtext
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Parcel, Wire
from kakitome.transports.lines import WITHDRAWN
from kakitome.transports.opening import Unreached, unreached

CONNECT_TIMEOUT: Final = 30.0  # seconds; also for each step of the greeting
COMMAND_TIMEOUT: Final = 300.0  # RFC 5321 §4.5.3.2.2, .3
DATA_TIMEOUT: Final = 120.0  # §4.5.3.2.4
DOT_TIMEOUT: Final = 600.0  # §4.5.3.2.6
LEAVE_TIMEOUT: Final = 1.0  # RSET and QUIT: the mail's fate is known, and the others wait

_ELSE: Final = Unavailability.REFUSED_CONNECTION
# What it means when a step fails without a reply that says why: an extension that is not offered, mostly.
_LACKING: Final = {
    Stage.STARTTLS: Unavailability.TLS,
    Stage.AUTH: Unavailability.CONFIGURATION,
}


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`ca` is a PEM file trusted instead of the system's. With provider `ses`, tags and configuration set travel as
    header fields that SES takes out (developer guide, "Sending with the SMTP interface"). `success_reports` asks other
    servers that can (RFC 3461) for a report of success, and not of failure and delay alone."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    connections: int = 8
    timeout: float = DOT_TIMEOUT
    ca: str | None = None
    provider: Literal["smtp", "ses"] = "smtp"
    success_reports: bool = False
    configuration_set: str | None = None

    def __repr__(self) -> str:
        return f"SmtpSettings({self.host}:{self.port}, {self.tls}, {self.provider})"


class SmtpLine:
    """See `lines.Line`."""

    def __init__(self, settings: SmtpSettings, tls: ssl.SSLContext | None, clock: Clock) -> None:
        self._settings = settings
        self._tls = tls
        self._clock = clock
        self._client: aiosmtplib.SMTP | None = None
        self._transport: asyncio.WriteTransport | None = None  # the client forgets it when it closes

    async def hand_over(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        if not await wire.ready(index):
            return WITHDRAWN
        body = _body(parcel, self._settings)
        client, reply = await self._mail(parcel, len(body))
        if reply.code != 250:
            return await self._refused(client, Stage.MAIL, reply, parcel)
        reply = await _say(client, self._rcpt_command(client, parcel), COMMAND_TIMEOUT)
        if reply.code not in (250, 251):
            return await self._refused(client, Stage.RCPT, reply, parcel)
        reply = await _say(client, "DATA", DATA_TIMEOUT)
        if reply.code != 354:
            return await self._refused(client, Stage.DATA, reply, parcel)
        return await self._dot(index, client, body, parcel, wire)

    async def _mail(self, parcel: Parcel, size: int) -> tuple[aiosmtplib.SMTP, Reply]:
        """MAIL. A connection that the server gave up while it was idle is replaced: nothing was said on it."""
        if self._client is not None and self._client.is_connected:
            with suppress(Unreached):
                reply = await _say(self._client, self._mail_command(self._client, parcel, size), COMMAND_TIMEOUT)
                if reply.code != 421:
                    return self._client, reply
        self.drop()
        self._client = await _open(self._settings, self._tls, self._clock)
        self._transport = _transport(self._client)
        return self._client, await _say(self._client, self._mail_command(self._client, parcel, size), COMMAND_TIMEOUT)

    def _mail_command(self, client: aiosmtplib.SMTP, parcel: Parcel, size: int) -> str:
        command = f"MAIL FROM:<{parcel.sender}>"
        if client.supports_extension("size"):
            command += f" SIZE={size}"
        if self._reports(client):
            command += f" RET=HDRS ENVID={to_xtext(f'{message_text(parcel.message)}.{parcel.fence}')}"
        return command

    def _rcpt_command(self, client: aiosmtplib.SMTP, parcel: Parcel) -> str:
        command = f"RCPT TO:<{parcel.recipient}>"
        if self._reports(client):
            wanted = "SUCCESS,FAILURE,DELAY" if self._settings.success_reports else "FAILURE,DELAY"
            command += f" NOTIFY={wanted} ORCPT=rfc822;{to_xtext(parcel.recipient)}"
        return command

    def _reports(self, client: aiosmtplib.SMTP) -> bool:
        """Whether to ask for reports (RFC 3461 §4): `sources/dsn.py` reads them. SES tells by events."""
        return self._settings.provider == "smtp" and client.supports_extension("dsn")

    async def _dot(self, index: int, client: aiosmtplib.SMTP, body: bytes, parcel: Parcel, wire: Wire) -> Outcome:
        """The completing write, and its reply: from `begin` on, silence means doubt."""
        if not await wire.turn(index):
            self.drop()  # behind 354 there is no other way to take it back
            return WITHDRAWN
        protocol = client.protocol
        if protocol is None or not protocol.is_connected:
            raise unreached(ConnectionError("closed while the mail waited for its slot"), "smtp")
        if not wire.begin(index):
            self.drop()
            return WITHDRAWN
        began = self._clock.monotonic()
        try:
            protocol.write(body)
            response = await protocol.read_response(timeout=self._settings.timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            self.drop()
            return Uncertain(_doubt(error), self._timed(Reply(code=0, text=f"{type(error).__name__}: {error}"), began))
        return self._meaning(Stage.BODY, self._timed(parse_smtp_reply(response.code, response.message), began), parcel)

    def _timed(self, reply: Reply, began: float) -> Reply:
        return msgspec.structs.replace(reply, latency_ms=round((self._clock.monotonic() - began) * 1000))

    async def _refused(self, client: aiosmtplib.SMTP, stage: Stage, reply: Reply, parcel: Parcel) -> Outcome:
        """The server is asked to forget what was said of the mail; where it does not, the connection goes."""
        try:
            forgotten = client.is_connected and (await _say(client, "RSET", LEAVE_TIMEOUT)).code == 250
        except Unreached:
            forgotten = False
        if not forgotten:
            self.drop()
        return self._meaning(stage, reply, parcel)

    def _meaning(self, stage: Stage, reply: Reply, parcel: Parcel) -> Outcome:
        now, provider = self._clock.now(), self._settings.provider
        return smtp_outcome(stage, reply, provider, now=now, recipients=(parcel.recipient,))

    def drop(self) -> None:
        # aiosmtplib closes politely: what of a mail is still in the buffer would follow, and TLS would wait for a word.
        if self._transport is not None:
            self._transport.abort()
        if self._client is not None:
            self._client.close()
        self._client = self._transport = None

    async def close(self) -> None:
        if self._client is not None:
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=LEAVE_TIMEOUT)
        self.drop()


async def _open(settings: SmtpSettings, tls: ssl.SSLContext | None, clock: Clock) -> aiosmtplib.SMTP:
    """Connected, greeted, secured, signed in: nothing is said in the clear that TLS should hide. Raises `Unreached`."""
    s = settings
    client = aiosmtplib.SMTP(
        hostname=s.host,
        port=s.port,
        local_hostname=await asyncio.to_thread(_own_name),
        timeout=CONNECT_TIMEOUT,
        use_tls=s.tls == "implicit",
        start_tls=False,  # said below, so that a refusal of it is known for what it is
        tls_context=tls,
    )
    steps: list[tuple[Stage, Callable[[], Awaitable[object]]]] = [
        (Stage.CONNECT, client.connect),
        (Stage.EHLO, client.ehlo),
    ]
    if s.tls == "starttls":
        steps += [(Stage.STARTTLS, client.starttls), (Stage.EHLO, client.ehlo)]
    if s.username:
        steps.append((Stage.AUTH, lambda: client.login(s.username, s.password)))
    try:
        for stage, step in steps:
            try:
                await step()
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                raise _turned_away(stage, error, s.provider, clock.now()) from error
    except BaseException:
        if (transport := _transport(client)) is not None:
            transport.abort()
        client.close()
        raise
    return client


def _turned_away(stage: Stage, error: Exception, provider: Literal["smtp", "ses"], now: int) -> Unreached:
    """By a reply that says why; by the lack of what we need; by the network."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        outcome = smtp_outcome(stage, parse_smtp_reply(error.code, error.message), provider, now=now)
        if isinstance(outcome, Unavailable):
            return Unreached(outcome)
    lacking = type(error) is aiosmtplib.SMTPException
    return unreached(error, "smtp", _LACKING.get(stage, _ELSE) if lacking else _ELSE)


def _transport(client: aiosmtplib.SMTP) -> asyncio.WriteTransport | None:
    return client.transport if isinstance(client.transport, asyncio.WriteTransport) else None


@functools.cache
def _own_name() -> str:
    """What EHLO says. Asked for once: without a resolver that answers, each time would cost many seconds."""
    return socket.getfqdn()


async def _say(client: aiosmtplib.SMTP, command: str, timeout: float) -> Reply:
    """One command and its reply. Raises `Unreached` where the server stops talking: it has no whole mail."""
    try:
        response = await client.execute_command(command.encode("ascii"), timeout=timeout)
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        raise unreached(error, "smtp") from error
    return parse_smtp_reply(response.code, response.message)


def _doubt(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return "unreadable_reply"
    return "timeout" if isinstance(error, TimeoutError) else "connection_lost"


def _body(parcel: Parcel, settings: SmtpSettings) -> bytes:
    """Our bytes, with SES's fields before them, dots doubled (RFC 5321 §4.5.2), and the final dot."""
    head = ""
    if settings.provider == "ses":
        tags = ", ".join(f"{name}={value}" for name, value in parcel.correlation.items())
        head = f"X-SES-MESSAGE-TAGS: {tags}\r\n"
        if settings.configuration_set:
            head += f"X-SES-CONFIGURATION-SET: {settings.configuration_set}\r\n"
    whole = (b"\r\n" + head.encode("ascii") + parcel.raw).replace(b"\r\n.", b"\r\n..")[2:]
    return whole + (b".\r\n" if whole.endswith(b"\r\n") else b"\r\n.\r\n")
