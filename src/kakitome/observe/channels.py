"""Who is told: the channels, and which alerts go where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from kakitome.core.alert import Alert, Belongs, Facts, Kind
from kakitome.observe.wording import Owner, Text

SLACK, WEBHOOK = "slack", "webhook"


class Channel(Protocol):
    async def tell(self, text: Text, alert: Alert, part: str, now: int) -> str:
        """The answer of who was told. Raises `NotTold`."""
        ...


def slack_of(owner: str) -> str:
    return f"{SLACK}:{owner}"


class House(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says about whose mail it is and who hears of it. `accounts` are the lanes'; `channels`
    the names of all that are configured; `config` the file, as commands must name it."""

    streams: Mapping[str, Belongs] = {}
    accounts: Mapping[str, str] = {}
    owners: Mapping[str, Owner] = {}
    channels: tuple[str, ...] = ()
    config: str | None = None

    def knows(self, gate: str) -> bool:
        """Whether the configuration still has it. What is there no more is never tried, so its stop would never end."""
        kind, _, name = gate.partition(":")
        return name in (self.accounts if kind == "lane" else self.accounts.values())

    def account(self, gate: str) -> str:
        kind, _, name = gate.partition(":")
        return self.accounts.get(name, name) if kind == "lane" else name

    def told(self, kind: Kind, facts: Facts) -> list[str]:
        """The channels of an alert: each owner's own, else the one for all; and the webhook. A lane that is stopped
        concerns whoever runs this, so that goes to the one for all, too."""
        own = [slack_of(owner) for owner in facts.owners]
        chosen = [name for name in own if name in self.channels]
        whole = kind in (Kind.LANE, Kind.QUARANTINE) or len(chosen) < len(own) or not own
        chosen += [name for name in (SLACK,) if whole and name in self.channels]
        return [*chosen, *(name for name in (WEBHOOK,) if name in self.channels)]
