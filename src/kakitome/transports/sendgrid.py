"""SendGrid by its v3 API: `POST /v3/mail/send`, one request a mail, or one for all of a submission's recipients.

As with SES there is no SDK on this path, and `http_hand_over` keeps the order. SendGrid has no envelope, so siblings
go together (`siblings`), and the outcome of their request is the outcome of each.

`X-RateLimit-*` of the answers are followed: a 429 stops the account until `Reset`; an answer with `Remaining` 0 lets
nothing more begin until then, so that the 429 is never asked for. Answers without these fields change nothing: the
mail/send endpoint does not always give them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

import msgspec

from kakitome.core.classify_sendgrid import sendgrid_outcome, used_up
from kakitome.core.errors import ConfigurationError
from kakitome.core.outcome import Outcome, Released, Unavailability, Unavailable
from kakitome.core.reply import Reply
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Capabilities, Parcel, Wire
from kakitome.transports.http_endpoint import Endpoint
from kakitome.transports.http_hand_over import Heard, HttpLine
from kakitome.transports.http_line import Answer, Exchange
from kakitome.transports.lines import WITHDRAWN, Lines
from kakitome.transports.sendgrid_request import common_part, request_body
from kakitome.transports.siblings import GroupWire, groups

ENDPOINTS: Final = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
PATH: Final = "/v3/mail/send"
ANSWER_TIMEOUT: Final = 60.0  # seconds


class SendGridSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`region` is `global` or `eu`; `endpoint` only for the simulator or a proxy. `ca` is a PEM file trusted instead of
    the system's authorities. `timeout` (seconds) is how long a request may wait for the whole of its answer."""

    api_key: str
    region: str = "global"
    endpoint: str | None = None
    connections: int = 16
    timeout: float = ANSWER_TIMEOUT
    ca: str | None = None

    def __repr__(self) -> str:
        return f"SendGridSettings({self.endpoint or ENDPOINTS[self.region]})"


class SendGridTransport:
    """See `ports.transport.Transport`. Neither redirects nor proxies of the environment are followed."""

    def __init__(self, settings: SendGridSettings, clock: Clock) -> None:
        """Raises `ConfigurationError` for a key that no header can carry."""
        self._settings = settings
        far = _Far(settings, clock)
        self._lines = Lines(settings.connections, lambda: _SendGridLine(far))

    @property
    def capabilities(self) -> Capabilities:
        s = self._settings
        return Capabilities(places=s.connections, events=True, envelope_differs=False, raw=False, timeout=s.timeout)

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        """Whom the wire refuses gets no copy; one outcome for all others of a request."""
        together = groups(parcels)
        group_wire = GroupWire(wire, together)
        leads = [_lead(parcels, group_wire, number, group[0]) for number, group in enumerate(together)]
        batch = self._lines.send(leads, group_wire)
        try:
            async for number, outcome in batch:
                going = set(group_wire.members(number))
                for index in together[number]:
                    yield index, outcome if index in going else _LEFT_OUT
        finally:
            await batch.aclose()

    async def close(self) -> None:
        await self._lines.close()


_LEFT_OUT: Final = Released("withdrawn")


class _Lead(Parcel, frozen=True, kw_only=True):
    """The first parcel of a group. Whom its request carries is known only at the last moment."""

    going: Callable[[], list[Parcel]]


def _lead(parcels: Sequence[Parcel], wire: GroupWire, number: int, first: int) -> _Lead:
    fields = {name: getattr(parcels[first], name) for name in Parcel.__struct_fields__}
    return _Lead(**fields, going=lambda: [parcels[index] for index in wire.members(number)])


class _Far:
    """Where requests go and what they have in common; shared by the lines."""

    def __init__(self, settings: SendGridSettings, clock: Clock) -> None:
        if not re.fullmatch(r"[!-~]{1,1024}", settings.api_key, re.ASCII):
            raise ConfigurationError("SendGrid's API key is empty, or not one line of ASCII.", "Look where it is kept.")
        self.timeout = settings.timeout
        self.clock = clock
        self.endpoint = Endpoint(settings.endpoint or ENDPOINTS[settings.region], settings.ca)
        self._path = self.endpoint.path + PATH
        self._headers = [
            ("host", self.endpoint.host),
            ("authorization", f"Bearer {settings.api_key}"),
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("user-agent", "kakitome"),
        ]
        self._used_up_until: int | None = None

    def exchange(self, body: bytes) -> Exchange:
        return Exchange(self._path, self._headers, body)

    def heard(self, answer: Answer) -> None:
        """Keep in mind what the answer says of the requests behind it."""
        self._used_up_until = used_up(answer.headers, self.clock.now()) or self._used_up_until

    def used_up(self) -> Unavailable | None:
        """Why no request may begin now."""
        until = self._used_up_until
        if until is None or until <= self.clock.now():
            return None
        text = "The last answer said that the rate limit is used up (X-RateLimit-Remaining: 0)."
        return Unavailable(Unavailability.THROTTLED, Reply(code=0, text=text, protocol="http"), until=until)


class _SendGridLine(HttpLine):
    """See `lines.Line`; an index is that of a group."""

    def __init__(self, far: _Far) -> None:
        super().__init__(far.endpoint, far.clock, far.timeout)
        self._far = far

    async def hand_over(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        assert isinstance(parcel, _Lead)
        if not await wire.ready(index):
            return WITHDRAWN
        said = await self.exchanged(_Request(index, parcel, wire, self._far))
        if not isinstance(said, Heard):
            return said
        self._far.heard(said.answer)
        return _meaning(said.answer, self._far.clock.now(), said.seconds)


class _Request:
    """See `http_hand_over.Request`: one for all of a group."""

    def __init__(self, index: int, lead: _Lead, wire: Wire, far: _Far) -> None:
        self._index = index
        self._lead = lead
        self._wire = wire
        self._far = far
        self._common = common_part(lead.content)
        self._going: list[Parcel] = []

    async def turn(self) -> bool:
        return await self._wire.turn(self._index)

    def exchange(self) -> Exchange | Outcome:
        if (used_up := self._far.used_up()) is not None:
            return used_up
        self._going = self._lead.going()
        return self._far.exchange(request_body(self._going, self._common))

    def begin(self, made: Exchange) -> Exchange | None:
        if not self._wire.begin(self._index):
            return None
        going = self._lead.going()
        if going == self._going:
            return made
        # Somebody was withdrawn at the last moment: nobody writes to them.
        return self._far.exchange(request_body(going, self._common))


def _meaning(answer: Answer, now: int, seconds: float) -> Outcome:
    """What the answer says; the rules are `core.classify_sendgrid`'s."""
    text = answer.body.decode("utf-8", "replace")
    words, field = _told(answer.body)
    reply = Reply(
        code=answer.status,
        text=text,
        protocol="http",
        error=field,
        request_id=answer.headers.get("x-message-id") or answer.headers.get("x-request-id"),
        headers=answer.headers,
        latency_ms=round(seconds * 1000),
    )
    return sendgrid_outcome(answer.status, words or text, reply, now=now)


def _told(body: bytes) -> tuple[str, str | None]:
    """The messages of `errors`, and the field that the first is about; nothing where a proxy answers in HTML."""
    try:
        errors = msgspec.json.decode(body, type=_Errors).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", None
    return "; ".join(error.message for error in errors), next((error.field for error in errors), None)


class _Error(msgspec.Struct, frozen=True):
    message: str
    field: str | None = None


class _Errors(msgspec.Struct, frozen=True):
    errors: list[_Error]
