"""The strings a test pulls: `/_simulator/…`. JSON in, JSON out; not a part of any provider.

| path | GET | POST |
|---|---|---|
| `accepted` | the accepted recipients since the last reset, as JSON lines | – |
| `state` | counts, limits, faults, events | any of `{"rate", "quota", "sandbox", "suspended", "paused", "sent"}` |
| `faults` | the armed faults | `{"faults": [SPEC, …]}` replaces them; with `"add": true` they are added |
| `reset` | – | no faults, nothing set up, no events waiting, counts at zero, `accepted` empty (its file stays) |
| `events-url` | where events are brought | `{"urls": [URL, `sns:…`, `sqs:…`]}` replaces them |
| `events-form` | their form | `{"signature_version", "raw_delivery", "event_form"}` |
| `subscriptions` | who was asked to confirm, and did | `{"url", "topic"}` asks, as SNS does |
| `identities` | – | `{"name", "status"}`: what SES found in the DNS, `SUCCESS` if not said |
| `play` | – | `{"message_id" or "recipient", "event", "link"}` lets that happen to an accepted mail |
| `certificate.pem` | what SNS messages are verified with | – |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from .accepted import AcceptedFile
from .account import Account
from .clock import Clock
from .control_setup import SetupControl
from .fate import Turn
from .faults import Faults
from .options import OptionError
from .publisher import Publisher
from .reception import Reception
from .sendgrid import SendGrid
from .ses_smtp import SesSmtp
from .sns import Signer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    rate: int | msgspec.UnsetType | None = msgspec.UNSET
    quota: int | msgspec.UnsetType | None = msgspec.UNSET
    sandbox: bool | msgspec.UnsetType = msgspec.UNSET
    suspended: bool | msgspec.UnsetType = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET


class Wanted(Limits):
    sent: int | None = None  # recipients in the last 24 hours, as the provider is to show them


class Armed(msgspec.Struct, forbid_unknown_fields=True):
    faults: list[str]
    add: bool = False


class Subscribers(msgspec.Struct, forbid_unknown_fields=True):
    urls: list[str]


class Play(msgspec.Struct, forbid_unknown_fields=True):
    event: Turn
    message_id: str | None = None
    recipient: str | None = None
    link: str = "https://example.com/"


class Control:
    """Everything that the running simulator can be asked and told."""

    def __init__(
        self,
        *,
        account: Account,
        accepted: AcceptedFile,
        faults: Faults,
        publisher: Publisher,
        reception: Reception,
        smtp: SesSmtp,
        clock: Clock,
        signer: Signer,
        sendgrid: SendGrid,
        setup: SetupControl,
    ) -> None:
        self._account = account
        self._accepted = accepted
        self._faults = faults
        self._publisher = publisher
        self._reception = reception
        self._smtp = smtp
        self._clock = clock
        self._signer = signer
        self._sendgrid = sendgrid
        self._setup = setup

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_simulator/accepted", self._show_accepted),
            web.get("/_simulator/state", self._show_state),
            web.post("/_simulator/state", self._set_state),
            web.get("/_simulator/faults", self._show_faults),
            web.post("/_simulator/faults", self._arm),
            web.post("/_simulator/reset", self._reset),
            web.get("/_simulator/events-url", self._show_urls),
            web.post("/_simulator/events-url", self._set_urls),
            web.post("/_simulator/play", self._play),
            web.get("/_simulator/certificate.pem", self._show_certificate),
            *self._setup.routes(),
        ]

    def state(self) -> dict[str, object]:
        account = self._account
        ticks = self._clock.ticks()
        return {
            "mails": self._reception.mails,
            "recipients": self._reception.recipients,
            "refused": self._reception.refused,
            "max_accepted_per_second": account.taken.peak,
            "max_offered_per_second": account.offered.peak,
            "sent_last_24_hours": account.today.at(ticks),
            "rate": account.rate,
            "quota": account.quota,
            "limits_told": account.told,  # so often; whoever was told twice since a change has taken it in
            "sandbox": account.sandbox,
            "suspended": account.suspended,
            "paused": account.paused,
            "smtp": {"connections": self._smtp.connections, "open": len(self._smtp.sessions)},
            "faults": self._faults.report(),
            **self._setup.state(),
            "events": self._publisher.report(),
            "sendgrid": self._sendgrid.report(),
        }

    async def _show_accepted(self, request: web.Request) -> web.Response:
        return web.Response(body=self._accepted.lines(), content_type="application/x-ndjson")

    async def _show_state(self, request: web.Request) -> web.Response:
        return _json(self.state())

    async def _set_state(self, request: web.Request) -> web.Response:
        limits = msgspec.json.decode(await request.read(), type=Wanted)
        if limits.sent is not None:
            self._account.pretend(limits.sent, self._clock.ticks())
        for name in Limits.__struct_fields__:
            value = getattr(limits, name)
            if value is not msgspec.UNSET:
                setattr(self._account, name, value)
        return _json(self.state())

    async def _show_faults(self, request: web.Request) -> web.Response:
        return _json({"faults": self._faults.report()})

    async def _arm(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=Armed)
        self._faults.arm(wanted.faults, self._clock.ticks(), keep=wanted.add)
        return _json({"faults": self._faults.report()})

    async def _reset(self, request: web.Request) -> web.Response:
        self._faults.clear()
        self._publisher.forget()
        self._reception.reset()
        self._sendgrid.reset()
        self._account.reset()
        self._setup.reset()
        self._accepted.forget()
        return _json(self.state())

    async def _show_urls(self, request: web.Request) -> web.Response:
        return _json({"urls": self._publisher.urls})

    async def _set_urls(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=Subscribers)
        self._publisher.urls = wanted.urls
        return _json({"urls": self._publisher.urls})

    async def _play(self, request: web.Request) -> web.Response:
        play = msgspec.json.decode(await request.read(), type=Play)
        key = play.message_id or play.recipient
        if key is None:
            raise OptionError("play needs a message_id or a recipient")
        events = self._reception.play(key, play.event, play.link) or self._sendgrid.play(key, play.event, play.link)
        return _json({"events": events}, 200 if events else 404)

    async def _show_certificate(self, request: web.Request) -> web.Response:
        return web.Response(body=self._signer.certificate, content_type="application/x-pem-file")


@web.middleware
async def explain_wrong_requests(request: web.Request, handler: Answer) -> web.StreamResponse:
    """A control request that cannot be read is a 400 that says why."""
    try:
        return await handler(request)
    except (OptionError, msgspec.DecodeError) as error:
        return _json({"error": str(error)}, 400)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
