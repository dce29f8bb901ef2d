"""The composition root: the only place that knows all the parts, and puts them together by the configuration."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom

from kakitome.accept import Desk
from kakitome.allowance import Followed
from kakitome.campaign import Office
from kakitome.config import AccountTable, Config, LaneTable, account_of, asks, milliseconds, secret
from kakitome.core.errors import ConfigurationError, NotFound
from kakitome.core.ids import RunId
from kakitome.core.lane import Lane
from kakitome.core.policy import Horizons, InDoubt, Kind, Policy
from kakitome.deliver import Hands
from kakitome.hosts.clock import SystemClock
from kakitome.hosts.local import LocalHost
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Transport
from kakitome.queues.embedded import EmbeddedQueue
from kakitome.rendering.renderer import TemplateRenderer
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.outbox import OutboxTransport
from kakitome.transports.ses import ANSWER_TIMEOUT, SesSettings, SesTransport
from kakitome.transports.ses_account import SesAccount
from kakitome.transports.smtp import SmtpSettings, SmtpTransport
from kakitome.worker import Worker

OUTBOX = "outbox"
ALWAYS = {"transactional": Kind.TRANSACTIONAL, "bulk": Kind.BULK}
SES_SMTP_HOST = "email-smtp.{region}.amazonaws.com"

TIMEOUTS = {"ses": 60_000, "ses-smtp": 600_000, "smtp": 600_000, "outbox": 60_000}
"""How long the completing write may wait for its reply, in ms. SMTP: RFC 5321 §4.5.3.2.6."""

Step = Callable[[str], None]


def _no_step(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Instance:
    """One running Kakitome. `step` hears every named step of the protocol; tests pull the plug there."""

    config: Config
    ledger: SqliteLedger
    queue: EmbeddedQueue
    host: LocalHost
    clock: Clock
    renderer: TemplateRenderer
    lanes: Mapping[str, Lane]
    folder: Path
    step: Step

    @property
    def nothing_leaves(self) -> bool:
        """Whether every lane is an outbox."""
        return all(self.table(name).provider == "outbox" for name in self.lanes)

    def table(self, lane: str) -> LaneTable:
        return self.config.lanes.get(lane) or LaneTable(provider="outbox")

    def policy(self, stream: str) -> Policy:
        table = self.config.streams.get(stream)
        if table is None:
            if stream not in ALWAYS:
                known = ", ".join(sorted({*ALWAYS, *self.config.streams}))
                raise NotFound(f"There is no stream {stream!r}.", f"Streams here: {known}.")
            return Policy(kind=ALWAYS[stream])
        at = f"streams.{stream}"
        return Policy(
            kind=Kind(table.kind),
            in_doubt=InDoubt(table.in_doubt),
            attempts=table.attempts,
            first_delay=milliseconds(table.first_delay, f"{at}.first_delay"),
            longest_delay=milliseconds(table.longest_delay, f"{at}.longest_delay"),
            expires_after=milliseconds(table.expires_after, f"{at}.expires_after") if table.expires_after else None,
        )

    def sender(self, stream: str) -> str | None:
        table = self.config.streams.get(stream)
        return table.sender if table else None

    def route(self, stream: str) -> list[str]:
        table = self.config.streams.get(stream)
        return (table.route if table and table.route else None) or list(self.lanes)[:1]

    def desk(self) -> Desk:
        return Desk(self.ledger, self.renderer, self.queue, self.clock, self._stream, self.step)

    def _stream(self, name: str) -> tuple[Policy, str | None]:
        return self.policy(name), self.sender(name)

    def office(self, progress: Callable[[int], None] = lambda _: None) -> Office:
        return Office(self.ledger, self.renderer, self.clock, self.step, progress)

    def worker(self, only: RunId | None = None, random: Random | None = None) -> Worker:
        """A worker with its lock and marks taken; `run` it."""
        name = f"w-{self.clock.now():x}-{os.getpid()}-{secrets.token_hex(4)}"
        marks = self.host.begin(name)
        stopping: list[Worker] = []
        hands = Hands(
            worker=name,
            ledger=self.ledger,
            renderer=self.renderer,
            marks=marks,
            clock=self.clock,
            random=random or SystemRandom(),
            step=self.step,
            stopping=lambda: stopping[0].stopping,
        )
        worker = Worker(
            hands, self.host, self.queue, self.lanes, self.route, self.transport, only, followed=self.followed()
        )
        stopping.append(worker)
        return worker

    def transport(self, lane: str) -> Transport:
        table, at = self.table(lane), f"lanes.{lane}"
        match table.provider:
            case "outbox":
                return OutboxTransport(Path(table.folder) if table.folder else self.folder / "outbox")
            case "smtp" | "ses-smtp":
                return SmtpTransport(_smtp(table, at, self.lanes[lane]), self.clock)
            case "ses":
                return SesTransport(_ses(table, self.lanes[lane]), _aws(table), self.clock)

    def followed(self) -> dict[str, Followed]:
        """The accounts whose limits are the provider's to say, and where they are read. Nobody is asked here."""
        found: dict[str, Followed] = {}
        tables = [(lane, self.table(name)) for name, lane in self.lanes.items()]
        for lane, table in sorted(tables, key=lambda each: each[1].provider != "ses"):  # who surely can is asked first
            limits = self.config.accounts.get(lane.account, AccountTable())
            rate, quota = (asks(table) and word in (None, "provider") for word in (limits.rate, limits.quota))
            if (rate or quota) and lane.account not in found:
                found[lane.account] = Followed(
                    source=SesAccount(lane.account, _ses(table, lane), _aws(table), self.clock),
                    rate=rate,
                    quota=quota,
                    # By SMTP one may send without the keys of the API: what nobody asked for must slow nobody down.
                    careful=table.provider == "ses" or limits.rate == "provider",
                )
        return found


def _smtp(table: LaneTable, at: str, lane: Lane) -> SmtpSettings:
    ses = table.provider == "ses-smtp"
    return SmtpSettings(
        host=table.host or SES_SMTP_HOST.format(region=table.region),
        port=table.port or (465 if table.tls == "implicit" else 587),
        tls=table.tls,
        username=secret(table.username, f"{at}.username") if ":" in (table.username or "") else table.username or "",
        password=secret(table.password, f"{at}.password"),
        connections=table.connections or 8,
        timeout=lane.timeout / 1000,
        ca=table.ca,
        provider="ses" if ses else "smtp",
        configuration_set=table.configuration_set,
    )


def _ses(table: LaneTable, lane: Lane) -> SesSettings:
    return SesSettings(
        region=table.region or "",
        endpoint=table.endpoint,
        connections=table.connections or 16,
        timeout=lane.timeout / 1000 if table.timeout else ANSWER_TIMEOUT,
        ca=table.ca,
        configuration_set=table.configuration_set,
    )


def _aws(table: LaneTable) -> AwsCredentials:
    return AwsCredentials(table.credentials.partition(":")[2] or None)


def _lanes(config: Config) -> dict[str, Lane]:
    horizons = Horizons(
        milliseconds(config.evidence.horizon, "evidence.horizon"),
        milliseconds(config.evidence.neighbourhood, "evidence.neighbourhood"),
    )
    lanes = {}
    for name, table in (config.lanes or {OUTBOX: LaneTable(provider="outbox")}).items():
        account = account_of(name, table)
        limits = config.accounts.get(account, AccountTable())
        lanes[name] = Lane(
            name=name,
            account=account,
            rate=None if isinstance(limits.rate, str) else limits.rate,  # the provider's own: `Instance.followed`
            quota=None if isinstance(limits.quota, str) else limits.quota,
            timeout=milliseconds(table.timeout, f"lanes.{name}.timeout") if table.timeout else TIMEOUTS[table.provider],
            margin=milliseconds(table.margin, f"lanes.{name}.margin"),
            provable=table.provider in ("ses", "ses-smtp"),
            horizons=horizons,
            sender=table.sender,
        )
    return lanes


def _ledger_path(config: Config) -> Path:
    scheme, _, rest = config.ledger.url.partition("://")
    if scheme != "sqlite":
        raise ConfigurationError(
            f"ledger.url begins with {scheme}://, which this version does not know.",
            "Use sqlite:///PATH (a fourth slash for an absolute path).",
        )
    return Path(rest.removeprefix("/"))


@asynccontextmanager
async def opened(config: Config, clock: Clock | None = None, step: Step = _no_step) -> AsyncIterator[Instance]:
    """Open everything that the configuration names, and close it at the end."""
    sys.setswitchinterval(0.0001)  # the ledger's thread must not wait 5 ms for a busy event loop
    path = _ledger_path(config)
    if config.queue.url != "embedded:":
        raise ConfigurationError(f"queue.url = {config.queue.url!r} is not known to this version.", "Use embedded:.")
    ledger = SqliteLedger(path)
    try:
        yield Instance(
            config=config,
            ledger=ledger,
            queue=EmbeddedQueue(),
            host=LocalHost(path.parent / "workers"),
            clock=clock or SystemClock(),
            renderer=TemplateRenderer(ledger.templates, ledger.messages),
            lanes=_lanes(config),
            folder=path.parent,
            step=step,
        )
    finally:
        await ledger.close()
