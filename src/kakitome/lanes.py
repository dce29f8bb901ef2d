"""Lanes as the configuration has them: what each may, how it is reached, and who says its account's limits.

Who adds a provider adds it here: its transport, and whether its events prove anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kakitome.allowance import Followed
from kakitome.canary import Canary
from kakitome.config import AccountTable, Config, LaneTable, account_of, asks, milliseconds, secret
from kakitome.core.cost import Price
from kakitome.core.lane import Lane
from kakitome.core.policy import MINUTE, Horizons
from kakitome.ports.account_list import AccountList
from kakitome.ports.clock import Clock
from kakitome.ports.figures import PointsSource
from kakitome.ports.transport import Transport
from kakitome.transports.aws_credentials import AwsCredentials, Role
from kakitome.transports.outbox import OutboxTransport
from kakitome.transports.sendgrid import SendGridSettings, SendGridTransport
from kakitome.transports.ses import ANSWER_TIMEOUT, SesSettings, SesTransport
from kakitome.transports.ses_account import SesAccount
from kakitome.transports.ses_statistics import SesStatistics
from kakitome.transports.ses_suppression import SesSuppression
from kakitome.transports.smtp import SmtpSettings, SmtpTransport

OUTBOX = "outbox"
SES_SUCCESS = "success@simulator.amazonses.com"
"""Counts neither as a bounce nor towards the quota (developer guide, mailbox simulator)."""
SES_SMTP_HOST = "email-smtp.{region}.amazonaws.com"

TIMEOUTS = {"ses": 60_000, "ses-smtp": 600_000, "smtp": 600_000, "sendgrid": 60_000, "outbox": 60_000}
"""How long the completing write may wait for its reply, in ms. SMTP: RFC 5321 §4.5.3.2.6."""


HORIZONS = {"sendgrid": 60 * MINUTE}
"""Whose events lag further behind than `[evidence] horizon` allows for, in ms."""


def table_of(config: Config, lane: str) -> LaneTable:
    return config.lanes.get(lane) or LaneTable(provider="outbox")


def lanes_of(config: Config) -> dict[str, Lane]:
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
            provable=table.provider in ("ses", "ses-smtp", "sendgrid"),
            horizons=_horizons(config, name, table),
            sender=table.sender,
            reserve=limits.reserve,
            canary=_canary(config, name, table) is not None,
        )
    return lanes


def _horizons(config: Config, name: str, table: LaneTable) -> Horizons:
    """The lane's own, else what its provider needs, else everybody's."""
    neighbourhood = milliseconds(config.evidence.neighbourhood, "evidence.neighbourhood")
    if table.horizon is not None:
        return Horizons(milliseconds(table.horizon, f"lanes.{name}.horizon"), neighbourhood)
    usual = milliseconds(config.evidence.horizon, "evidence.horizon")
    return Horizons(HORIZONS.get(table.provider, usual), neighbourhood)


def canaries_of(config: Config) -> dict[str, Canary]:
    """The lanes that canaries try."""
    found = {name: _canary(config, name, table) for name, table in config.lanes.items()}
    return {name: canary for name, canary in found.items() if canary is not None}


def _canary(config: Config, name: str, table: LaneTable) -> Canary | None:
    """From whom the configuration says, else as a stream does whose first lane this is; None where nobody is named, or
    the provider has no address for it."""
    to = table.canary_to or (SES_SUCCESS if table.provider in ("ses", "ses-smtp") else None)
    usual = next(iter(config.lanes), None)  # of streams without a route
    senders = (stream.sender for stream in config.streams.values() if next(iter(stream.route or ()), usual) == name)
    sender = table.canary or next(filter(None, senders), None)
    return Canary(sender, to) if sender and to else None


def transport_of(config: Config, lane: Lane, folder: Path, clock: Clock) -> Transport:
    """A fresh transport, with connections of its own. `folder` is where the instance keeps its files."""
    table, at = table_of(config, lane.name), f"lanes.{lane.name}"
    match table.provider:
        case "outbox":
            return OutboxTransport(Path(table.folder) if table.folder else folder / "outbox")
        case "smtp" | "ses-smtp":
            return SmtpTransport(_smtp(table, at, lane), clock)
        case "ses":
            return SesTransport(_ses(table, lane), _aws(table), clock)
        case "sendgrid":
            return SendGridTransport(_sendgrid(table, at, lane), clock)


def followed_of(config: Config, lanes: Mapping[str, Lane], clock: Clock) -> dict[str, Followed]:
    """The accounts whose limits are the provider's to say, and where they are read. Nobody is asked here."""
    found: dict[str, Followed] = {}
    tables = [(lane, table_of(config, name)) for name, lane in lanes.items()]
    for lane, table in sorted(tables, key=lambda each: each[1].provider != "ses"):  # who surely can is asked first
        limits = config.accounts.get(lane.account, AccountTable())
        rate, quota = (asks(table) and word in (None, "provider") for word in (limits.rate, limits.quota))
        if (rate or quota) and lane.account not in found:
            found[lane.account] = Followed(
                source=SesAccount(lane.account, _ses(table, lane), _aws(table), clock),
                rate=rate,
                quota=quota,
                # By SMTP one may send without the keys of the API: what nobody asked for must slow nobody down.
                careful=table.provider == "ses" or limits.rate == "provider",
                every=milliseconds(limits.look, f"accounts.{lane.account}.look") / 1000,
            )
    return found


def points_of(config: Config, lanes: Mapping[str, Lane]) -> dict[str, PointsSource]:
    """The accounts whose provider tells statistics of its own, and where they are read. Nobody is asked here."""
    found: dict[str, PointsSource] = {}
    for name, lane in lanes.items():
        table = table_of(config, name)
        if asks(table) and table.provider in ("ses", "ses-smtp"):
            found.setdefault(lane.account, SesStatistics(lane.account, _ses(table, lane), _aws(table)))
    return found


def account_lists_of(config: Config, lanes: Mapping[str, Lane]) -> dict[str, AccountList]:
    """The suppression lists of the providers' own, by lane. Nobody is asked here."""
    tables = [(lane, table_of(config, name)) for name, lane in lanes.items()]
    return {
        lane.name: SesSuppression(lane.account, _ses(table, lane), _aws(table))
        for lane, table in tables
        if asks(table) and table.provider in ("ses", "ses-smtp")
    }


def prices_of(config: Config) -> dict[str, Price]:
    """What the accounts cost, where that is configured."""
    tables = config.accounts.items()
    return {name: Price(t.price, t.per, t.currency) for name, t in tables if t.price is not None}


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
        success_reports=table.success_reports,
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
        bulk=table.bulk,
    )


def _sendgrid(table: LaneTable, at: str, lane: Lane) -> SendGridSettings:
    return SendGridSettings(
        api_key=secret(table.api_key, f"{at}.api_key"),
        region=table.region or "global",
        endpoint=table.endpoint,
        connections=table.connections or 16,
        timeout=lane.timeout / 1000,
        ca=table.ca,
    )


def _aws(table: LaneTable) -> AwsCredentials:
    profile = table.credentials.partition(":")[2] or None
    return AwsCredentials(profile, Role(table.assume_role, table.region or "") if table.assume_role else None)
