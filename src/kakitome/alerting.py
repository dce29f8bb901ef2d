"""Alerts as the configuration has them: for how long, whose, and who is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from kakitome.config import Config, milliseconds, secret
from kakitome.config.values import is_safe
from kakitome.core.alert import Belongs
from kakitome.core.alert_rules import Rules
from kakitome.core.errors import ConfigurationError
from kakitome.core.lane import Lane
from kakitome.observe.alerts import Watch
from kakitome.observe.channels import SLACK, WEBHOOK, Channel, House, slack_of
from kakitome.observe.slack import Slack
from kakitome.observe.webhook import Webhook, secret_key
from kakitome.observe.wording import Owner
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger

log = logging.getLogger("kakitome.alerts")

ALWAYS = ("transactional", "bulk")


def watch_of(config: Config, lanes: Mapping[str, Lane], ledger: Ledger, clock: Clock) -> Watch:
    """A channel whose secret is not there is left out with a warning, for mail must not wait for it."""
    channels: dict[str, Channel] = {}
    for name, made in channels_of(config).items():
        if isinstance(made, ConfigurationError):
            log.warning("Alerts are not told through %s by this process. %s", name, made)
        else:
            channels[name] = made
    every = milliseconds(config.alerts.every, "alerts.every") / 1000
    return Watch(ledger, clock, house_of(config, lanes), rules_of(config), channels, every)


def rules_of(config: Config) -> Rules:
    table = config.alerts
    return Rules(
        late=milliseconds(table.late_after, "alerts.late_after"),
        lane=milliseconds(table.lane_after, "alerts.lane_after"),
        again=milliseconds(table.again, "alerts.again"),
        dead=table.dead,
    )


def house_of(config: Config, lanes: Mapping[str, Lane]) -> House:
    def belongs(stream: str) -> Belongs:
        table = config.streams.get(stream)
        route = (table.route if table and table.route else None) or list(lanes)[:1]
        return Belongs((table.owner if table else None) or "", tuple((lane, lanes[lane].account) for lane in route))

    return House(
        streams={stream: belongs(stream) for stream in {*ALWAYS, *config.streams}},
        accounts={name: lane.account for name, lane in lanes.items()},
        owners={name: Owner(owner.unit, owner.person) for name, owner in config.owners.items()},
        channels=tuple(_addresses(config)),
    )


def channels_of(config: Config) -> dict[str, Channel | ConfigurationError]:
    """Every channel by its name; an error in the place of one that cannot be used here."""
    made: dict[str, Channel | ConfigurationError] = {}
    for name, (reference, key) in _addresses(config).items():
        try:
            url = secret(reference, key)
            if not is_safe(url):
                raise ConfigurationError(
                    f"{key} does not lead to an https:// address, and alerts would cross the network in the clear.",
                    "Copy the webhook's address whole; http:// is for this machine only.",
                    key=key,
                )
            made[name] = Slack(url) if name != WEBHOOK else Webhook(url, _key(config))
        except ConfigurationError as error:
            made[name] = error
    return made


def _key(config: Config) -> bytes:
    return secret_key(secret(config.alerts.webhook_secret, "alerts.webhook_secret"))


def _addresses(config: Config) -> dict[str, tuple[str, str]]:
    """Where each channel's address is, and the key that says so."""
    table = config.alerts
    found = {SLACK: (table.slack, "alerts.slack"), WEBHOOK: (table.webhook, "alerts.webhook")}
    found |= {slack_of(name): (owner.slack, f"owners.{name}.slack") for name, owner in config.owners.items()}
    return {name: (reference, key) for name, (reference, key) in found.items() if reference}
