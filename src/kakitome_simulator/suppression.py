"""The account-level suppression list: addresses that SES takes mail for and does not write to.

"Using the Amazon SES account-level suppression list": a message to one of them is accepted and counted, and bounces at
once (Permanent, OnAccountSuppressionList). Addresses come onto it by the API and by their own hard bounces and
complaints, as far as the suppressed reasons say; those of the mailbox simulator never do by themselves.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .account import SIMULATOR_DOMAIN

Reason = Literal["BOUNCE", "COMPLAINT"]
EVERY_REASON: frozenset[Reason] = frozenset({"BOUNCE", "COMPLAINT"})  # accounts since November 2019 begin with both


class Suppressed(msgspec.Struct, frozen=True):
    """`at` in milliseconds. Of what came by an event, the mail and the feedback id of that."""

    address: str
    reason: Reason
    at: int
    message_id: str | None = None
    feedback_id: str | None = None


class Suppression:
    """`reasons` of the account; a configuration set may have its own."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.reasons: frozenset[Reason] = EVERY_REASON
        self._listed: dict[str, Suppressed] = {}

    def put(self, suppressed: Suppressed) -> None:
        self._listed[suppressed.address.lower()] = suppressed

    def learn(self, suppressed: Suppressed, reasons: frozenset[Reason]) -> None:
        """What an event says; somebody who is on the list already stays there as he is."""
        address = suppressed.address.lower()
        if suppressed.reason in reasons and not address.endswith(f"@{SIMULATOR_DOMAIN}"):
            self._listed.setdefault(address, suppressed)

    def get(self, address: str) -> Suppressed | None:
        return self._listed.get(address.lower())

    def remove(self, address: str) -> bool:
        return self._listed.pop(address.lower(), None) is not None

    def all(self) -> list[Suppressed]:
        return list(self._listed.values())

    def holds(self, address: str, reasons: frozenset[Reason]) -> bool:
        """Whether mail for the address bounces here, where these reasons count."""
        found = self.get(address)
        return found is not None and found.reason in reasons
