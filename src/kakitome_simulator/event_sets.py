"""Configuration sets and their event destinations: which events of a mail go to which SNS topic."""

from __future__ import annotations

from typing import Literal

import msgspec

from .api_error import already_exists, bad_request, not_found
from .suppression import Reason

MAX_DESTINATIONS = 10  # a set

Kind = Literal[
    "SEND", "REJECT", "BOUNCE", "COMPLAINT", "DELIVERY", "OPEN", "CLICK", "RENDERING_FAILURE", "DELIVERY_DELAY",
    "SUBSCRIPTION",
]  # fmt: skip


class SnsDestination(msgspec.Struct, rename="pascal"):
    topic_arn: str


class EventDestination(msgspec.Struct, rename="pascal"):
    """`EventDestinationDefinition` of the service model; only SNS is played."""

    enabled: bool = False
    matching_event_types: list[Kind] = []
    sns_destination: SnsDestination | None = None


class EventSet:
    """One configuration set. `reasons` is what it says of suppression, `None` where it leaves that to the account."""

    def __init__(self, name: str, *, sending: bool = True, reasons: frozenset[Reason] | None = None) -> None:
        self.name = name
        self.sending = sending
        self.reasons = reasons
        self.destinations: dict[str, EventDestination] = {}

    def add(self, name: str, destination: EventDestination) -> None:
        if name in self.destinations:
            raise already_exists(f"Event destination {name} already exists.")
        if len(self.destinations) >= MAX_DESTINATIONS:
            raise bad_request(f"A configuration set has at most {MAX_DESTINATIONS} event destinations.")
        self._put(name, destination)

    def update(self, name: str, destination: EventDestination) -> None:
        self.check(name)
        self._put(name, destination)

    def remove(self, name: str) -> None:
        self.check(name)
        del self.destinations[name]

    def check(self, name: str) -> None:
        if name not in self.destinations:
            raise not_found(f"Event destination {name} does not exist.")

    def topics(self, kind: str) -> list[str]:
        """Each enabled destination that wants the kind, once."""
        found = [
            one.sns_destination.topic_arn
            for one in self.destinations.values()
            if one.enabled and one.sns_destination is not None and kind in one.matching_event_types
        ]
        return list(dict.fromkeys(found))

    def _put(self, name: str, destination: EventDestination) -> None:
        if destination.sns_destination is None:
            raise bad_request("Only SnsDestination is played.")
        if not destination.matching_event_types:
            raise bad_request("MatchingEventTypes is empty.")
        if not destination.sns_destination.topic_arn.startswith("arn:"):
            raise bad_request(f"Invalid SNS topic <{destination.sns_destination.topic_arn}>.")
        self.destinations[name] = destination


class EventSets:
    """The sets of the account, by name."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._sets: dict[str, EventSet] = {}

    def names(self) -> list[str]:
        return list(self._sets)

    def find(self, name: str) -> EventSet | None:
        return self._sets.get(name)

    def get(self, name: str) -> EventSet:
        """Raises `ApiError`."""
        if name not in self._sets:
            raise not_found(f"Configuration set <{name}> does not exist.")
        return self._sets[name]

    def create(self, new: EventSet) -> None:
        if new.name in self._sets:
            raise already_exists(f"Configuration set <{new.name}> already exists.")
        self._sets[new.name] = new

    def delete(self, name: str) -> None:
        self.get(name)
        del self._sets[name]
