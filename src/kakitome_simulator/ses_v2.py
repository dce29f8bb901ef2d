"""SES API v2, as far as it is played: SendEmail (simple and raw content) and GetAccount.

The names are those of the service model that the AWS SDKs ship (`sesv2`); signatures are not verified, but a request
without one is refused. What is not played is answered as AWS answers an operation that it does not know.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from email.utils import getaddresses

import msgspec
from aiohttp import web

from . import refusal
from .account import Account
from .clock import Clock
from .compose import ComposeError, Simple, compose
from .letter import Letter, letter
from .reception import Decision, Ending, Reception
from .ses_smtp import reset
from .smtp_address import is_address

UNLIMITED_RATE = 10_000.0  # a second; what the account reports when nothing is limited
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Raw(msgspec.Struct, rename="pascal"):
    data: bytes


class Content(msgspec.Struct, rename="pascal"):
    simple: Simple | None = None
    raw: Raw | None = None
    template: dict[str, object] | None = None


class Destination(msgspec.Struct, rename="pascal"):
    to_addresses: list[str] = []
    cc_addresses: list[str] = []
    bcc_addresses: list[str] = []

    @property
    def everyone(self) -> list[str]:
        return self.to_addresses + self.cc_addresses + self.bcc_addresses


class Tag(msgspec.Struct, rename="pascal"):
    name: str
    value: str


class SendEmail(msgspec.Struct, rename="pascal"):
    """The request; fields that change nothing here are not read."""

    content: Content
    from_email_address: str | None = None
    destination: Destination | None = None
    reply_to_addresses: list[str] = []
    email_tags: list[Tag] = []
    configuration_set_name: str | None = None


class ApiError(Exception):
    """An answer of AWS that is an error: HTTP status, type, message."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequestException", message)


class SesV2:
    """The routes below `/v2/email`."""

    def __init__(self, reception: Reception, account: Account, clock: Clock, new_id: Callable[[], str]) -> None:
        self._reception = reception
        self._account = account
        self._clock = clock
        self._new_id = new_id

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/email/outbound-emails", self._send_email),
            web.get("/v2/email/account", self._get_account),
            web.route("*", "/v2/{operation:.*}", self._unknown),
        ]

    async def _send_email(self, request: web.Request) -> web.Response:
        try:
            _authorized(request)
            sent = _letter(_decoded(await request.read()))
        except ApiError as error:
            return self._error(error)
        decision = self._reception.hand_in(sent, "http", request.remote or "127.0.0.1")
        if decision.delay:
            await asyncio.sleep(decision.delay)
        return self._answer(request, decision)

    async def _get_account(self, request: web.Request) -> web.Response:
        try:
            _authorized(request)
        except ApiError as error:
            return self._error(error)
        account = self._account
        quota, rate = account.quota, account.rate
        return self._json(
            {
                "DedicatedIpAutoWarmupEnabled": False,
                "EnforcementStatus": "SHUTDOWN" if account.suspended else "HEALTHY",
                "ProductionAccessEnabled": not account.sandbox,
                "SendQuota": {
                    "Max24HourSend": -1.0 if quota is None else float(quota),  # -1: unlimited
                    "MaxSendRate": UNLIMITED_RATE if rate is None else float(rate),
                    "SentLast24Hours": float(account.today.at(self._clock.ticks())),
                },
                "SendingEnabled": not account.suspended,
                "SuppressionAttributes": {"SuppressedReasons": []},
            }
        )

    async def _unknown(self, request: web.Request) -> web.Response:
        return self._error(ApiError(404, "UnknownOperationException", f"{request.method} {request.path} is not played"))

    def _answer(self, request: web.Request, decision: Decision) -> web.Response:
        if decision.ending is not Ending.REPLY:
            _end(request, decision.ending)
            return web.Response()  # goes nowhere
        if decision.status is not None:
            pretended = refusal.of(str(decision.status))
            return self._error(ApiError(pretended.status, pretended.error, pretended.message))
        if decision.refusal is not None:
            refused = decision.refusal
            return self._error(ApiError(refused.status, refused.error, refused.message))
        return self._json({"MessageId": decision.message_id})

    def _error(self, error: ApiError) -> web.Response:
        answer = self._json({"message": error.message}, error.status)
        answer.headers["x-amzn-ErrorType"] = error.error
        return answer

    def _json(self, body: object, status: int = 200) -> web.Response:
        return web.Response(
            body=msgspec.json.encode(body),
            status=status,
            content_type="application/json",
            headers={"x-amzn-RequestId": self._new_id()},
        )


def _authorized(request: web.Request) -> None:
    if "Authorization" not in request.headers:
        raise ApiError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")


def _decoded(body: bytes) -> SendEmail:
    try:
        return msgspec.json.decode(body, type=SendEmail)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(str(error)) from error


def _letter(request: SendEmail) -> Letter:
    """Make one mail of a request. Raises `ApiError` for what SES refuses before it looks at the account."""
    tags = {tag.name: tag.value for tag in request.email_tags}
    for text in [*tags, *tags.values()]:
        if not _TAG.fullmatch(text):
            raise bad_request(f"Invalid tag name or value: {text[:256]}")
    destination = request.destination or Destination()
    content = request.content
    if (content.simple is not None) + (content.raw is not None) + (content.template is not None) != 1:
        raise bad_request("Content must be one of Simple, Raw and Template.")
    if content.template is not None:
        raise ApiError(404, "NotFoundException", "Template does not exist.")
    if content.simple is not None:
        operation, data = "SendEmail", _composed(request, content.simple, destination)
    else:
        assert content.raw is not None
        operation, data = "SendRawEmail", _with_crlf(content.raw.data)
    bare = letter(operation, "", (), data, tags=tags, configuration_set=request.configuration_set_name)
    sender = _addresses([request.from_email_address or bare.field("from") or ""])
    recipients = _addresses(destination.everyone or [bare.field(name) or "" for name in ("to", "cc", "bcc")])
    if len(sender) != 1 or not recipients:
        raise bad_request("A sender and at least one recipient are needed.")
    return msgspec.structs.replace(bare, reverse_path=sender[0], recipients=tuple(recipients))


def _composed(request: SendEmail, content: Simple, destination: Destination) -> bytes:
    fields = {
        "From": request.from_email_address or "",
        "To": ", ".join(destination.to_addresses),
        "Cc": ", ".join(destination.cc_addresses),
        "Reply-To": ", ".join(request.reply_to_addresses),
    }
    try:
        return compose(content, {name: value for name, value in fields.items() if value})
    except ComposeError as error:
        raise bad_request(str(error)) from error


def _addresses(texts: list[str]) -> list[str]:
    """The addresses of the texts, without names. Raises `ApiError` unless each is one that SES can write to."""
    addresses = [address for _, address in getaddresses(texts) if address]
    for address in addresses:
        if not is_address(address):
            raise bad_request(f"{address[:320]} is not a valid address")
    return list(dict.fromkeys(addresses))


def _with_crlf(data: bytes) -> bytes:
    """SES takes bare line feeds too and makes them right."""
    return data if b"\n" not in data.replace(b"\r\n", b"") else data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _end(request: web.Request, ending: Ending) -> None:
    transport = request.transport
    if transport is None:  # the client has gone
        return
    if ending is Ending.RESET:
        reset(transport)
    else:
        transport.close()
