"""The simulator put together: one account, the ways into it, and the way its events come out."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack

from aiohttp import web

from .accepted import Accepted, AcceptedFile
from .account import Account
from .aws_answer import Answers
from .clock import Clock, SystemClock
from .control import Control, explain_wrong_requests
from .control_setup import SetupControl
from .faults import Faults
from .identities import Identities
from .options import Endpoint, Options
from .publisher import Publisher
from .reception import MAX_SIZE, Reception
from .sendgrid import SendGrid
from .ses_account import SesAccount
from .ses_identities import SesIdentities
from .ses_sets import SesSets
from .ses_smtp import SesSmtp
from .ses_suppression import SesSuppression
from .ses_templates import SesTemplates
from .ses_v1 import SesV1
from .ses_v2 import SesV2
from .setup import Setup
from .smtp_dialogue import Manners
from .sns import Form, Signer
from .statistics import Statistics
from .subscriptions import Subscriptions
from .tls import Authority

MAX_REQUEST = 2 * MAX_SIZE  # bytes; a mail grows by a third in JSON's base64
CLOSING = 0.1  # seconds for answers that are under way; aiohttp takes 0 for "as long as they like"


class Simulator:
    """A provider inside an asyncio loop.

        async with Simulator(Options(rate=14)) as simulator:
            simulator.smtp_port, simulator.accepted

    Inside the block it listens; at its end every connection is cut, and events that wait are dropped.
    """

    def __init__(
        self, options: Options | None = None, clock: Clock | None = None, new_id: Callable[[], str] | None = None
    ) -> None:
        self.options = options or Options()
        self._clock = clock or SystemClock()
        self._new_id = new_id or (lambda: str(uuid.uuid4()))

    async def __aenter__(self) -> Simulator:
        async with AsyncExitStack() as stack:
            self._assemble(stack)
            await stack.enter_async_context(self._publisher)
            await stack.enter_async_context(self._sendgrid.publisher)
            await self._listen_to_smtp(stack)
            await self._listen_to_http(stack)
            self._closing = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    @property
    def accepted(self) -> list[Accepted]:
        """What was accepted since the last reset."""
        return self._accepted.records()

    @property
    def sendgrid_key(self) -> str:
        """What SendGrid's webhooks are verified with: base64 of the SPKI, as SendGrid's settings show it."""
        return self._sendgrid.signer.public_key

    @property
    def state(self) -> dict[str, object]:
        """As `GET /_simulator/state` shows it."""
        return self._control.state()

    @property
    def addresses(self) -> dict[str, str | None]:
        """`HOST:PORT` of each listener, `None` for one that was not asked for."""
        return {
            "http": str(self.http),
            "smtp": None if self.smtp is None else str(self.smtp),
            "smtps": None if self.smtps is None else str(self.smtps),
        }

    @property
    def statistics(self) -> Statistics:
        return self._statistics

    @property
    def http_port(self) -> int:
        return self.http.port

    @property
    def smtp_port(self) -> int:
        assert self.smtp is not None, "this simulator was started without SMTP"
        return self.smtp.port

    def _assemble(self, stack: AsyncExitStack) -> None:
        options, clock = self.options, self._clock
        self._faults = Faults(options.seed)
        self._faults.arm(options.faults, clock.ticks())
        form = Form(options.signature_version, options.raw_delivery, options.event_form)
        self.signer, self.authority = Signer(clock.now(), form), Authority(clock.now())
        if options.mailbox is not None:
            options.mailbox.mkdir(parents=True, exist_ok=True)
        self._accepted = AcceptedFile(options.accepted)
        stack.callback(self._accepted.close)
        self._account = Account(options.rate, options.quota, options.sandbox, options.verified)
        self._setup, self._statistics = Setup(Identities(self._account.verified)), Statistics()
        self._publisher = Publisher(
            signer=self.signer,
            clock=clock,
            faults=self._faults,
            setup=self._setup,
            new_id=self._new_id,
            urls=options.events_urls,
            delay=options.event_delay,
            retry_seconds=options.events_retry_seconds,
        )
        self._reception = Reception(
            account=self._account,
            accepted=self._accepted,
            mailbox=options.mailbox,
            faults=self._faults,
            publisher=self._publisher,
            setup=self._setup,
            statistics=self._statistics,
            clock=clock,
            new_id=self._new_id,
            play=options.play,
        )
        self._sendgrid = SendGrid(
            options, accepted=self._accepted, faults=self._faults, clock=clock, new_id=self._new_id
        )

    async def _listen_to_smtp(self, stack: AsyncExitStack) -> None:
        options = self.options
        manners = Manners(True, options.require_tls, options.require_authentication, options.credentials)
        self._smtp = SesSmtp(self._reception, manners, self.authority.context())
        stack.callback(self._smtp.close)
        self.smtp = await self._listen(stack, options.smtp, implicit_tls=False)
        self.smtps = await self._listen(stack, options.smtps, implicit_tls=True)

    async def _listen(self, stack: AsyncExitStack, wish: Endpoint | None, *, implicit_tls: bool) -> Endpoint | None:
        if wish is None:
            return None
        server = await self._smtp.listen(wish.host, wish.port, implicit_tls=implicit_tls)
        stack.callback(server.close)
        return Endpoint(wish.host, server.sockets[0].getsockname()[1])

    async def _listen_to_http(self, stack: AsyncExitStack) -> None:
        answers, subscriptions = Answers(self._new_id), Subscriptions(self._publisher)
        app = web.Application(client_max_size=MAX_REQUEST, middlewares=[explain_wrong_requests, answers.explain])
        self._control = Control(
            account=self._account,
            accepted=self._accepted,
            faults=self._faults,
            publisher=self._publisher,
            reception=self._reception,
            smtp=self._smtp,
            clock=self._clock,
            signer=self.signer,
            sendgrid=self._sendgrid,
            setup=SetupControl(
                setup=self._setup, statistics=self._statistics, subscriptions=subscriptions, signer=self.signer
            ),
        )
        app.add_routes(self._control.routes())
        app.add_routes(self._sendgrid.routes())
        app.add_routes(self._ses_v1(subscriptions).routes())
        app.add_routes(self._ses_v2(answers))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self.options.http.host, self.options.http.port)
        await site.start()
        self.http = Endpoint(self.options.http.host, runner.addresses[0][1])
        self._publisher.base_url = f"http://{self.http}"

    def _ses_v1(self, subscriptions: Subscriptions) -> SesV1:
        return SesV1(
            reception=self._reception,
            account=self._account,
            identities=self._setup.identities,
            statistics=self._statistics,
            subscriptions=subscriptions,
            clock=self._clock,
            new_id=self._new_id,
        )

    def _ses_v2(self, answers: Answers) -> list[web.RouteDef]:
        setup, clock = self._setup, self._clock
        sending = SesV2(self._reception, setup.templates, answers)
        return [
            *sending.routes(),
            *SesAccount(self._account, setup.suppression, clock, answers).routes(),
            *SesIdentities(setup.identities, answers).routes(),
            *SesSets(setup.sets, answers, self._publisher.validate).routes(),
            *SesSuppression(setup.suppression, clock, answers).routes(),
            *SesTemplates(setup.templates, clock, answers).routes(),
            web.route("*", "/v2/{operation:.*}", sending.unknown),
        ]


async def run(options: Options, listening: Callable[[Simulator], None], stop: asyncio.Event) -> None:
    """Run until `stop` is set; `listening` is called once every port is open."""
    async with Simulator(options) as simulator:
        if options.certificate is not None:
            options.certificate.write_bytes(simulator.signer.certificate)
        if options.sendgrid_key is not None:
            options.sendgrid_key.write_text(simulator.sendgrid_key)
        if options.tls_certificate is not None:
            options.tls_certificate.write_bytes(simulator.authority.certificate)
        listening(simulator)
        await stop.wait()
