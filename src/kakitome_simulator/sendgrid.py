"""SendGrid v3, as far as a sender sees it: `POST /v3/mail/send`, and the Event Webhook that follows.

Statuses and bodies are those of the v3 API reference: 202 without a body and with `X-Message-Id`, or an error with
`{"errors": [{"message", "field", "help"}]}`. A key is asked for; which one, only if the options name it.

Its own controls: `GET/POST /_simulator/sendgrid-events` (`{"urls": […]}`), `GET /_simulator/sendgrid-key`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from .accepted import AcceptedFile
from .clock import Clock
from .fate import Turn
from .faults import Faults
from .options import Options, events_url
from .reception import Ending
from .sendgrid_event import EventSigner
from .sendgrid_publisher import SendGridPublisher
from .sendgrid_reception import Answer, Denial, SendGridReception, Window
from .sendgrid_request import Invalid, read
from .ses_smtp import reset


class Subscribers(msgspec.Struct, forbid_unknown_fields=True):
    urls: list[str]


class SendGrid:
    """All of SendGrid that the simulator plays. `publisher` must be entered before mail comes."""

    def __init__(
        self, options: Options, *, accepted: AcceptedFile, faults: Faults, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._api_key = options.sendgrid_api_key
        self.signer = EventSigner()
        self.publisher = SendGridPublisher(
            self.signer,
            clock,
            faults,
            options.sendgrid_events,
            options.event_delay,
            options.events_retry_seconds,
        )
        self._reception = SendGridReception(
            window=Window(options.sendgrid_rate, options.sendgrid_window),
            accepted=accepted,
            mailbox=options.mailbox,
            faults=faults,
            publisher=self.publisher,
            clock=clock,
            new_id=new_id,
            play=options.play,
        )

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v3/mail/send", self._send),
            web.route("*", "/v3/{rest:.*}", self._unknown),
            web.get("/_simulator/sendgrid-events", self._show_urls),
            web.post("/_simulator/sendgrid-events", self._set_urls),
            web.get("/_simulator/sendgrid-key", self._show_key),
        ]

    def report(self) -> dict[str, object]:
        """As it stands in the simulator's state."""
        reception = self._reception
        return {
            "mails": reception.requests,
            "recipients": reception.recipients,
            "refused": reception.refused,
            "events": self.publisher.report(),
            "key": self.signer.public_key,
        }

    def reset(self) -> None:
        self._reception.reset()
        self.publisher.forget()

    def play(self, key: str, turn: Turn, link: str) -> int:
        return self._reception.play(key, turn, link)

    async def _send(self, request: web.Request) -> web.Response:
        try:
            self._authorize(request)
            body = await request.read()
            mail = read(body)
        except Invalid as error:
            self._reception.count(str(error.status))
            return _denied(Denial(error.status, error.message, error.field))
        answer = self._reception.hand_in(mail, body)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        return _answered(request, answer)

    def _authorize(self, request: web.Request) -> None:
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not key:
            raise Invalid("Permission denied, wrong credentials", status=401)
        if self._api_key is not None and key != self._api_key:
            raise Invalid("The provided authorization grant is invalid, expired, or revoked", status=401)
        if request.content_type != "application/json":
            raise Invalid("Content-Type should be application/json.", status=415)

    async def _unknown(self, request: web.Request) -> web.Response:
        return _denied(Denial(405 if request.path == "/v3/mail/send" else 404, "not found"))

    async def _show_urls(self, request: web.Request) -> web.Response:
        return _json({"urls": self.publisher.urls})

    async def _set_urls(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=Subscribers)
        self.publisher.urls = [events_url(url) for url in wanted.urls]
        return _json({"urls": self.publisher.urls})

    async def _show_key(self, request: web.Request) -> web.Response:
        return web.Response(text=self.signer.public_key)


def _answered(request: web.Request, answer: Answer) -> web.Response:
    if answer.ending is not Ending.REPLY:
        _end(request, answer.ending)
        return web.Response()  # goes nowhere
    if answer.denial is not None:
        return _denied(answer.denial, answer.limits)
    return web.Response(status=202, headers={"X-Message-Id": answer.message_id or "", **answer.limits})


def _denied(denial: Denial, limits: dict[str, str] | None = None) -> web.Response:
    error = {"message": denial.message, "field": denial.field, "help": None}
    answer = _json({"errors": [error]}, denial.status)
    answer.headers.update(limits or {})
    return answer


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def _end(request: web.Request, ending: Ending) -> None:
    transport = request.transport
    if transport is None:  # the client has gone
        return
    if ending is Ending.RESET:
        reset(transport)
    else:
        transport.close()
