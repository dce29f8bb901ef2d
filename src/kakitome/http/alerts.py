"""What is wrong now, and was lately."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get

from kakitome.alerting import house_of
from kakitome.http.edge import Asked, edge
from kakitome.observe.webhook import alert_text, described, iso
from kakitome.observe.wording import wording

RECENT = 100


class AlertFact(msgspec.Struct, frozen=True):
    label: str
    value: str


class AlertTold(msgspec.Struct, frozen=True):
    """`part` is raised or ended; `at` None: not yet."""

    part: str
    channel: str
    at: str | None


class AlertShown(msgspec.Struct, frozen=True, kw_only=True):
    """`level` is alarm, or information where it goes on by itself. `ended` None: it is open."""

    id: str
    kind: str
    level: str
    title: str
    facts: list[AlertFact]
    press: list[str]
    owners: list[str]
    why: str | None
    accounts: list[str]
    since: str
    raised: str
    ended: str | None
    told: list[AlertTold]


class AlertsFound(msgspec.Struct, frozen=True):
    """The open ones, oldest first, and behind them those that ended last."""

    alerts: list[AlertShown]


@get("/alerts")
async def list_alerts(request: Asked) -> AlertsFound:
    instance = edge(request).instance
    owners = house_of(instance.config, instance.lanes).owners
    found: list[dict[str, Any]] = []
    for alert in await instance.ledger.alerts.list(RECENT):
        told = [{"part": part, "channel": channel, "at": at and iso(at)} for part, channel, at in alert.told]
        text = wording(alert, "raised", owners)
        found.append({"id": alert_text(alert.id), **described(alert, text), "told": told})
    return msgspec.convert({"alerts": found}, AlertsFound)
