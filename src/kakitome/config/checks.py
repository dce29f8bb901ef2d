"""What makes no sense, alone or together: said now, with the key, and not when the first mail comes."""

from __future__ import annotations

import math
import re

from kakitome.config.accounts import account_of, asks
from kakitome.config.ledger import check_ledger
from kakitome.config.mailing import check_mailing, host_of, stays_here
from kakitome.config.pacing import paces_of
from kakitome.config.queue import check_queue
from kakitome.config.sendgrid import check_sendgrid, check_sendgrid_events
from kakitome.config.tables import AccountTable, Config, EventsTable, LaneTable, Table
from kakitome.config.values import WHERE, check_reference, is_loopback, is_safe, milliseconds
from kakitome.core.errors import ConfigurationError


def checked(config: Config) -> Config:
    for name, account in config.accounts.items():
        _check_account(f"accounts.{name}", account)
        _check_price(f"accounts.{name}", account)
    for name, lane in config.lanes.items():
        _check_lane(f"lanes.{name}", lane)
        _check_limits(config, name, lane)
        if lane.account is not None and lane.account not in config.accounts:
            raise ConfigurationError(
                f"lanes.{name}.account names {lane.account!r}, which no [accounts.…] defines.",
                "Add the account, or leave `account` out.",
                key=f"lanes.{name}.account",
            )
    for name, stream in config.streams.items():
        for lane_name in stream.route or ():
            if lane_name not in config.lanes:
                raise ConfigurationError(
                    f"streams.{name}.route names the lane {lane_name!r}, which no [lanes.…] defines.",
                    f"Lanes: {', '.join(config.lanes) or 'none'}.",
                    key=f"streams.{name}.route",
                )
        if stream.owner is not None and stream.owner not in config.owners:
            what = f"streams.{name}.owner names {stream.owner!r}, which no [owners.…] defines."
            raise ConfigurationError(what, key=f"streams.{name}.owner")
    check_queue(config.queue)
    check_ledger(config.ledger)
    _check_events(config.events)
    check_sendgrid_events(config.events)
    if config.events.trust == "simulator":
        _all_loopback(config)
    _check_bounces(config)
    check_mailing(config)
    paces_of(config)
    _check_values(config)
    _check_alerts(config)
    return config


_DURATIONS = (
    *("horizon", "neighbourhood", "oldest", "sendgrid_oldest", "timeout", "margin"),
    *("first_delay", "longest_delay", "expires_after", "events"),
)
_MOST = {"attempts": 1_000, "connections": 1_000, "port": 65_535}


def _check_values(config: Config) -> None:
    """Durations and counts, now and not when the first mail of that stream comes."""
    tables: dict[str, Table] = {"evidence": config.evidence, "events": config.events, "retention": config.retention}
    tables |= {f"lanes.{name}": lane for name, lane in config.lanes.items()}
    tables |= {f"streams.{name}": stream for name, stream in config.streams.items()}
    for at, table in tables.items():
        for key in _DURATIONS:
            if (text := getattr(table, key, None)) is not None:
                milliseconds(text, f"{at}.{key}")
        for key, most in _MOST.items():
            number = getattr(table, key, None)
            if number is not None and not 1 <= number <= most:
                what = f"{at}.{key} = {number} makes no sense."
                raise ConfigurationError(what, f"Write a number from 1 to {most}.", key=f"{at}.{key}")


def _check_bounces(config: Config) -> None:
    table, key = config.suppression, "suppression.transient_limit"
    milliseconds(table.transient_window, "suppression.transient_window")
    if not 0 <= table.transient_limit <= 1_000:
        what = f"{key} = {table.transient_limit} makes no sense."
        raise ConfigurationError(what, "Write a number from 1 to 1000, or 0 for never.", key=key)
    address, key = config.events.dsn_address, "events.dsn_address"
    if address is None:
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigurationError(f"{key} = {address!r} is no address.", "Write HOST:PORT: 127.0.0.1:2525.", key=key)
    if not any(lane.sender for lane in config.lanes.values() if lane.provider == "smtp"):
        raise ConfigurationError(
            f"{key} is set, and no smtp lane has a `sender`: the door would take mail for nobody.",
            'Give the lane a reverse-path that leads here: sender = "bounces@mail.example.com".',
            key=key,
        )


def _check_account(at: str, account: AccountTable) -> None:
    for key, number in (("rate", account.rate), ("quota", account.quota)):
        if isinstance(number, float | int) and not (0 < number < math.inf or (number == 0 and key == "quota")):
            raise ConfigurationError(
                f"{at}.{key} = {number} is not a limit.", 'Write a number above 0, or "provider".', key=f"{at}.{key}"
            )
    if not 0 <= account.reserve < 1:
        what = f"{at}.reserve = {account.reserve} is not a share that leaves lists anything."
        raise ConfigurationError(what, "Write a number from 0 to below 1.", key=f"{at}.reserve")
    if milliseconds(account.look, f"{at}.look") == 0:
        raise ConfigurationError(f"{at}.look is nothing.", "Write 1m, or 10s.", key=f"{at}.look")


def _check_price(at: str, account: AccountTable) -> None:
    if account.price is not None and not (account.price.is_finite() and account.price >= 0):
        what = f"{at}.price = {account.price} is not a price."
        raise ConfigurationError(what, "Write a number, 0.10 for SES's 0.10 USD per 1,000.", key=f"{at}.price")
    if account.per < 1:
        what = f"{at}.per = {account.per} makes no sense."
        raise ConfigurationError(what, "Write how many recipients the price is for: 1000.", key=f"{at}.per")
    if re.fullmatch(r"[A-Z]{3}", account.currency) is None:
        what = f"{at}.currency = {account.currency!r} is not a currency."
        raise ConfigurationError(what, "Write its three letters: USD, JPY.", key=f"{at}.currency")


def _check_limits(config: Config, name: str, lane: LaneTable) -> None:
    account = account_of(name, lane)
    table = config.accounts.get(account, AccountTable())
    for key, word in (("rate", table.rate), ("quota", table.quota)):
        if word != "provider" or asks(lane):
            continue
        at = f"accounts.{account}.{key}"
        if lane.provider == "ses-smtp":
            remedy = f"Give lanes.{name} a region (and an endpoint, where it has a host of its own), or write a number."
        else:
            remedy = f"Write a number: a lane of provider {lane.provider} has nobody who could be asked."
        raise ConfigurationError(f'{at} is "provider", and lanes.{name} cannot ask it.', remedy, key=at)


def _check_lane(at: str, lane: LaneTable) -> None:
    smtp = lane.provider in ("smtp", "ses-smtp")
    if lane.provider == "smtp" and not lane.host:
        raise ConfigurationError(f"{at} has no host.", "Give the server's name.", key=f"{at}.host")
    if lane.provider in ("ses", "ses-smtp") and not (lane.region or lane.host or lane.endpoint):
        raise ConfigurationError(f"{at} has no region.", 'For example region = "ap-northeast-1".', key=f"{at}.region")
    if lane.provider == "ses" and not lane.region:
        raise ConfigurationError(
            f"{at} has no region, and requests are signed for one.",
            'For example region = "ap-northeast-1".',
            key=f"{at}.region",
        )
    if lane.provider in ("ses", "ses-smtp"):
        _check_api(at, lane)
    elif lane.assume_role is not None:
        what = f"{at}.assume_role is set, and provider {lane.provider} knows no roles of AWS."
        raise ConfigurationError(what, "Leave it out.", key=f"{at}.assume_role")
    if lane.provider == "sendgrid":
        check_sendgrid(at, lane)
    if smtp and lane.port == 25 and not is_loopback(lane.host or ""):
        raise ConfigurationError(
            f"{at}.port is 25, which is for mail between servers; providers throttle or refuse it.",
            'Use 465 with tls = "implicit", or 587 with tls = "starttls".',
            key=f"{at}.port",
        )
    if smtp and lane.tls == "none" and not is_loopback(lane.host or ""):
        raise ConfigurationError(
            f'{at}.tls is "none": passwords and mail would cross the network in the clear.',
            'Use "implicit" or "starttls"; "none" is for this machine only.',
            key=f"{at}.tls",
        )
    check_reference(f"{at}.password", lane.password)


_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII).fullmatch


def _check_api(at: str, lane: LaneTable) -> None:
    if re.fullmatch(r"aws(:.+)?", lane.credentials) is None:
        raise ConfigurationError(
            f"{at}.credentials is not a source of AWS credentials.",
            'Write "aws" for the SDK\'s own chain (role, SSO, environment), or "aws:PROFILE".',
            key=f"{at}.credentials",
        )
    if lane.assume_role is not None and _ROLE(lane.assume_role) is None:
        what = f"{at}.assume_role is not the ARN of a role."
        raise ConfigurationError(what, "Write arn:aws:iam::ACCOUNT:role/NAME.", key=f"{at}.assume_role")
    if lane.endpoint is not None and not is_safe(lane.endpoint):
        raise ConfigurationError(
            f"{at}.endpoint is not an https:// address: mail would cross the network in the clear.",
            "Leave it out for Amazon's own; http:// is for this machine only.",
            key=f"{at}.endpoint",
        )


_QUEUE = re.compile(r"https://sqs\.[a-z0-9-]{3,32}\.amazonaws\.com(\.cn)?/[0-9]{12}/[A-Za-z0-9_-]{1,80}")


def _check_alerts(config: Config) -> None:
    table = config.alerts
    for key in ("late_after", "lane_after", "again", "every"):
        if milliseconds(getattr(table, key), f"alerts.{key}") == 0:
            raise ConfigurationError(f"alerts.{key} is nothing at all.", "Write 15s or 10m.", key=f"alerts.{key}")
    places = {f"alerts.{key}": getattr(table, key) for key in ("slack", "webhook", "webhook_secret")}
    places |= {f"owners.{name}.slack": owner.slack for name, owner in config.owners.items()}
    for key, place_of in places.items():
        check_reference(key, place_of)
    if table.webhook is not None and table.webhook_secret is None:
        what = "alerts.webhook has no webhook_secret: nobody there could tell our alerts from anybody's."
        raise ConfigurationError(what, WHERE, key="alerts.webhook_secret")


def _check_events(events: EventsTable) -> None:
    if events.endpoint is not None and not is_safe(events.endpoint):
        what = "events.endpoint is not an https:// address: events would cross the network in the clear."
        raise ConfigurationError(
            what, "Leave it out for Amazon's own; http:// is for this machine only.", key="events.endpoint"
        )
    if 2 not in events.signature_versions:
        what = "events.signature_versions has no 2, and the stronger signature is never refused."
        raise ConfigurationError(what, "Write [2], or [1, 2] to take SHA-1 as well.", key="events.signature_versions")
    for url in events.queues:
        if _QUEUE.fullmatch(url) is None and (events.endpoint is None or not is_safe(url)):
            raise ConfigurationError(
                f"events.queues has {url!r}, which is not the address of a queue.",
                'Write "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", as `aws sqs get-queue-url` prints it.',
                key="events.queues",
            )


def _all_loopback(config: Config) -> None:
    for name, lane in config.lanes.items():
        if not stays_here(lane):
            raise ConfigurationError(
                f'events.trust = "simulator" takes events that anybody can sign, and lanes.{name} goes to '
                f"{host_of(lane) or 'a real provider'}.",
                "Remove events.trust, or point every lane at the simulator on this machine.",
                key="events.trust",
            )
