"""Amazon SES by its API v2: SendEmail with raw content, one mail a request, one request an attempt.

There is no SDK on this path, because SDKs send again: botocore's default turns one slow answer into three mails. The
completing write is the request itself. It is one write on an open connection, directly behind `wire.begin`, so
whatever goes wrong before (name, connection, certificate, keys) is certain, and whatever is not a whole answer after
it is a doubt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

import msgspec

from kakitome.core.address import parse_address
from kakitome.core.classify import ses_outcome
from kakitome.core.outcome import Outcome, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Capabilities, Parcel, Wire
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.aws_endpoint import Endpoint
from kakitome.transports.http_line import Answer, Connection, Exchange, NoAnswer
from kakitome.transports.lines import WITHDRAWN, Lines
from kakitome.transports.opening import Unreached
from kakitome.transports.sigv4 import Signer

ENDPOINT: Final = "https://email.{region}.amazonaws.com"
PATH: Final = "/v2/email/outbound-emails"
ANSWER_TIMEOUT: Final = 60.0  # seconds; SES answers within one, and a doubt too many costs more than waiting
IDLE_LIMIT: Final = 10.0  # seconds; an older connection may have been forgotten on its way, and opening one is cheap


class SesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`endpoint` only for the simulator or a proxy. `ca` is a PEM file trusted instead of the system's authorities.
    `timeout` (seconds) is how long a request may wait for the whole of its answer."""

    region: str
    endpoint: str | None = None
    connections: int = 16
    timeout: float = ANSWER_TIMEOUT
    ca: str | None = None
    configuration_set: str | None = None

    @property
    def at(self) -> Endpoint:
        return Endpoint(self.endpoint or ENDPOINT.format(region=self.region), self.ca)


class SesTransport:
    """See `ports.transport.Transport`. Neither redirects nor proxies of the environment are followed."""

    def __init__(self, settings: SesSettings, credentials: AwsCredentials, clock: Clock) -> None:
        self._settings = settings
        far = _Far(settings, credentials, clock)
        self._lines = Lines(settings.connections, lambda: _SesLine(far))

    @property
    def capabilities(self) -> Capabilities:
        s = self._settings
        return Capabilities(places=s.connections, events=True, envelope_differs=True, raw=True, timeout=s.timeout)

    def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        return self._lines.send(parcels, wire)

    async def close(self) -> None:
        await self._lines.close()


class _Far:
    """Where requests go and what they have in common; shared by the lines."""

    def __init__(self, settings: SesSettings, credentials: AwsCredentials, clock: Clock) -> None:
        self.settings = settings
        self.credentials = credentials
        self.clock = clock
        self._signer: Signer | None = None
        self.endpoint = settings.at
        self.path = self.endpoint.path + PATH

    async def signer(self) -> Signer:
        """Raises `Unreached` where there are no keys."""
        keys = await self.credentials.keys()
        if self._signer is None or self._signer.keys != keys:
            self._signer = Signer(keys, self.settings.region)
        return self._signer

    def exchange(self, body: bytes, signer: Signer) -> Exchange:
        return Exchange(self.path, signer.headers(self.endpoint.host, self.path, body, self.clock.now()), body)


class _SesLine:
    """See `lines.Line`."""

    def __init__(self, far: _Far) -> None:
        self._far = far
        self._connection: Connection | None = None

    async def hand_over(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        if not await wire.ready(index):
            return WITHDRAWN
        signer = await self._far.signer()
        body = _body(parcel, self._far.settings.configuration_set)
        connection = await self._opened()
        if not await wire.turn(index):
            return WITHDRAWN
        if not connection.usable:  # closed while the mail waited for its slot
            connection = await self._opened()
            if not await wire.turn(index):
                return WITHDRAWN
        exchange = self._far.exchange(body, signer)
        if not connection.usable:
            raise _turned_away()
        return await self._ask(index, parcel, wire, connection, exchange)

    async def _ask(self, index: int, parcel: Parcel, wire: Wire, connection: Connection, exchange: Exchange) -> Outcome:
        """The completing write, and its answer: from `begin` on, silence means doubt."""
        clock = self._far.clock
        if not wire.begin(index):
            return WITHDRAWN
        answering, began = connection.write(exchange), clock.monotonic()
        try:
            async with asyncio.timeout(self._far.settings.timeout):
                answer = await answering
        except NoAnswer as silence:
            return _doubt(silence.reason, silence.detail, silence.status, clock.monotonic() - began)
        except TimeoutError:
            self.drop()
            return _doubt("timeout", "", exchange.status, clock.monotonic() - began)
        outcome = _meaning(answer, parcel, clock.now(), clock.monotonic() - began)
        if isinstance(outcome, Unavailable) and outcome.reason is Unavailability.CREDENTIALS:
            self._far.credentials.forget()
        return outcome

    async def _opened(self) -> Connection:
        """A connection that is open as far as this machine can know. Raises `Unreached`."""
        # A close that has come in already must be seen: the first turn of the loop polls, the second one tells.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        there = self._connection
        if there is not None and there.usable and asyncio.get_running_loop().time() - there.idle_since < IDLE_LIMIT:
            return there
        self.drop()
        self._connection = await self._far.endpoint.connect()
        return self._connection

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


# ── The request: SendEmail of the API reference ─────────────────────────────────────────────────────────────────────


class _Pascal(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    pass


class _Raw(_Pascal, frozen=True):
    data: bytes  # base64 in JSON


class _Content(_Pascal, frozen=True):
    raw: _Raw


class _Destination(_Pascal, frozen=True):
    to_addresses: tuple[str, ...]


class _Tag(_Pascal, frozen=True):
    name: str
    value: str


class _SendEmail(_Pascal, frozen=True):
    """Without FromEmailAddress: where it is set, SES writes it over the From field, and the display name is lost."""

    content: _Content
    destination: _Destination
    email_tags: tuple[_Tag, ...]
    configuration_set_name: str | None = None
    feedback_forwarding_email_address: str | None = None


_encoder = msgspec.json.Encoder()


def _body(parcel: Parcel, configuration_set: str | None) -> bytes:
    """SES makes the reverse-path itself; an address of ours other than From is where it forwards bounces to."""
    author = parse_address(parcel.content.sender.address, allow_local_domain=True).envelope
    return _encoder.encode(
        _SendEmail(
            _Content(_Raw(parcel.raw)),
            _Destination((parcel.recipient,)),
            tuple(_Tag(name, value) for name, value in parcel.correlation.items()),
            configuration_set,
            parcel.sender if parcel.sender != author else None,
        )
    )


# ── The answer ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _meaning(answer: Answer, parcel: Parcel, now: int, seconds: float) -> Outcome:
    """What the answer says; the rules are `core.classify`'s."""
    text, told = answer.body.decode("utf-8", "replace"), _told(answer.body)
    error = answer.headers.get("x-amzn-errortype") or told.get("__type")
    reply = Reply(
        code=answer.status,
        text=text,
        protocol="http",
        error=error,
        request_id=answer.headers.get("x-amzn-requestid"),
        headers=answer.headers,
        latency_ms=round(seconds * 1000),
    )
    return ses_outcome(
        answer.status,
        error,
        told.get("message") or told.get("Message") or text,
        now=now,
        message_id=told.get("MessageId"),
        recipients=(parcel.recipient,),
        reply=reply,
    )


def _told(body: bytes) -> dict[str, str]:
    """The texts of the answer's JSON; proxies on the way answer in HTML, and that tells nothing."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return {name: text for name, text in tree.items() if isinstance(text, str)} if isinstance(tree, dict) else {}


def _doubt(reason: str, detail: str, status: int, seconds: float) -> Uncertain:
    reply = Reply(code=status, text=detail, protocol="http", latency_ms=round(seconds * 1000))
    return Uncertain(reason, reply)


def _turned_away() -> Unreached:
    reply = Reply(code=0, text="The connection was closed as soon as it was open.", protocol="http")
    return Unreached(Unavailable(Unavailability.REFUSED_CONNECTION, reply))
