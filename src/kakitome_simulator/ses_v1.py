"""SES API v1, the Query protocol: a form in, XML out. Also SNS's ConfirmSubscription, which lives at the same path.

Errors have the names of the service model that the AWS SDKs ship (`ses`), where v2 has others for the same thing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from xml.sax.saxutils import escape

from aiohttp import web

from .account import Account
from .api_error import ApiError
from .aws_answer import authorized, interrupted, refused
from .clock import Clock, iso
from .compose import Body, Simple, Text
from .identities import Identities
from .letter import Letter
from .query import Query
from .reception import Reception
from .refusal import Refusal
from .ses_request import Content as NoContent
from .ses_request import Destination, SendEmail, Tag, addressed, composed, tags_of, with_crlf
from .statistics import Statistics
from .subscriptions import Subscriptions

SNS_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
NAMESPACE = "http://ses.amazonaws.com/doc/2010-12-01/"
_NAMES = {
    "AccountSuspendedException": "AccountSendingPausedException",
    "BadRequestException": "InvalidParameterValue",
    "NotFoundException": "ConfigurationSetDoesNotExist",
    "SendingPausedException": "AccountSendingPausedException",
    "TooManyRequestsException": "Throttling",
}


class SesV1:
    """The route `/`."""

    def __init__(
        self,
        *,
        reception: Reception,
        account: Account,
        identities: Identities,
        statistics: Statistics,
        subscriptions: Subscriptions,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._reception = reception
        self._account = account
        self._identities = identities
        self._statistics = statistics
        self._subscriptions = subscriptions
        self._clock = clock
        self._new_id = new_id
        self._actions: dict[str, Callable[[Query], str]] = {
            "GetSendQuota": self._quota,
            "GetSendStatistics": self._points,
            "ListVerifiedEmailAddresses": self._verified,
            "ListIdentities": self._list,
            "VerifyEmailIdentity": self._verify,
            "VerifyEmailAddress": self._verify,
        }
        self._letters: dict[str, Callable[[Query], Letter]] = {"SendEmail": _simple, "SendRawEmail": _raw}

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/", self._answer), web.get("/", self._visit)]

    async def _answer(self, request: web.Request) -> web.Response:
        query = Query({name: str(value) for name, value in (await request.post()).items()})
        action = query.text("Action")
        try:
            authorized(request)
            if action == "ConfirmSubscription":
                return self._confirm(query, fetched=False)
            if action in self._letters:
                return await self._send(request, action, self._letters[action](query))
            if action not in self._actions:
                raise ApiError(400, "InvalidAction", f"{action[:100]} is not played.")
            return self._xml(action, self._actions[action](query))
        except ApiError as error:
            return self._error(error)

    async def _visit(self, request: web.Request) -> web.Response:
        """Where SubscribeURL leads to."""
        query = Query(dict(request.query))
        if query.text("Action") != "ConfirmSubscription":
            return self._error(ApiError(400, "InvalidAction", "Only ConfirmSubscription is played here."))
        return self._confirm(query, fetched=True)

    async def _send(self, request: web.Request, action: str, sent: Letter) -> web.Response:
        decision = self._reception.hand_in(sent, "http", request.remote or "127.0.0.1")
        if decision.delay:
            await asyncio.sleep(decision.delay)
        if (gone := interrupted(request, decision)) is not None:
            return gone
        wrong = refused(decision)
        return self._error(wrong) if wrong else self._xml(action, f"<MessageId>{decision.message_id}</MessageId>")

    def _quota(self, query: Query) -> str:
        account = self._account
        account.told += 1
        quota, rate = account.quota, account.rate
        return (
            f"<Max24HourSend>{-1.0 if quota is None else float(quota)}</Max24HourSend>"
            f"<MaxSendRate>{10_000.0 if rate is None else float(rate)}</MaxSendRate>"
            f"<SentLast24Hours>{float(account.today.at(self._clock.ticks()))}</SentLast24Hours>"
        )

    def _points(self, query: Query) -> str:
        points = "".join(
            f"<member><Timestamp>{iso(point.at)}</Timestamp><DeliveryAttempts>{point.attempts}</DeliveryAttempts>"
            f"<Bounces>{point.bounces}</Bounces><Complaints>{point.complaints}</Complaints>"
            f"<Rejects>{point.rejects}</Rejects></member>"
            for point in self._statistics.points()
        )
        return f"<SendDataPoints>{points}</SendDataPoints>"

    def _verified(self, query: Query) -> str:
        names = sorted(name for name in self._account.verified if "@" in name)
        return f"<VerifiedEmailAddresses>{_members(names)}</VerifiedEmailAddresses>"

    def _list(self, query: Query) -> str:
        wanted = {"EmailAddress": "EMAIL_ADDRESS", "Domain": "DOMAIN"}.get(query.text("IdentityType"))
        names = [one.name for one in self._identities.all() if wanted in {None, one.kind}]
        return f"<Identities>{_members(names)}</Identities>"

    def _verify(self, query: Query) -> str:
        """The mail with the link is not played; `/_simulator/identities` is."""
        name = query.text("EmailAddress")
        if all(one.name != name.lower() for one in self._identities.all()):
            self._identities.create(name)
        return ""

    def _confirm(self, query: Query, *, fetched: bool) -> web.Response:
        arn = self._subscriptions.confirm(query.text("TopicArn"), query.text("Token"), fetched=fetched)
        if arn is None:
            return self._error(ApiError(400, "InvalidParameter", "Invalid parameter: Token"))
        return self._xml("ConfirmSubscription", f"<SubscriptionArn>{escape(arn)}</SubscriptionArn>", SNS_NAMESPACE)

    def _xml(self, action: str, result: str, namespace: str = NAMESPACE) -> web.Response:
        return _response(
            f'<{action}Response xmlns="{namespace}"><{action}Result>{result}</{action}Result>'
            f"<ResponseMetadata><RequestId>{self._new_id()}</RequestId></ResponseMetadata></{action}Response>",
            200,
        )

    def _error(self, error: ApiError | Refusal) -> web.Response:
        status = 400 if error.error in _NAMES else error.status
        kind = "Sender" if status < 500 else "Receiver"
        return _response(
            f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>{kind}</Type>'
            f"<Code>{_NAMES.get(error.error, error.error)}</Code><Message>{escape(error.message)}</Message></Error>"
            f"<RequestId>{self._new_id()}</RequestId></ErrorResponse>",
            status,
        )


def _response(xml: str, status: int) -> web.Response:
    return web.Response(text=xml, status=status, content_type="text/xml", charset="utf-8")


def _members(names: list[str]) -> str:
    return "".join(f"<member>{escape(name)}</member>" for name in names)


def _simple(query: Query) -> Letter:
    parts = (query.optional(f"Message.Body.{part}.Data") for part in ("Text", "Html"))
    content = Simple(
        Text(query.text("Message.Subject.Data")), Body(*(None if part is None else Text(part) for part in parts))
    )
    request, to = _request(query, query.text("Source")), _destination(query)
    return addressed(request, "SendEmail", composed(request, content, to), to, tags_of(request.email_tags))


def _raw(query: Query) -> Letter:
    try:
        data = with_crlf(base64.b64decode(query.text("RawMessage.Data"), validate=True))
    except binascii.Error as error:
        raise ApiError(400, "InvalidParameterValue", f"RawMessage.Data: {error}") from error
    request = _request(query, query.optional("Source"))
    return addressed(
        request, "SendRawEmail", data, Destination(query.members("Destinations")), tags_of(request.email_tags)
    )


def _request(query: Query, source: str | None) -> SendEmail:
    pairs = zip(query.members("Tags", "Name"), query.members("Tags", "Value"), strict=True)
    return SendEmail(
        NoContent(),
        source,
        reply_to_addresses=query.members("ReplyToAddresses"),
        email_tags=[Tag(name, value) for name, value in pairs],
        configuration_set_name=query.optional("ConfigurationSetName"),
    )


def _destination(query: Query) -> Destination:
    names = ("ToAddresses", "CcAddresses", "BccAddresses")
    return Destination(*(query.members(f"Destination.{name}") for name in names))
