"""Identities: the domains and addresses that the account may send from, verified or waiting for it.

A domain gets three DKIM tokens (Easy DKIM), which its owner publishes as CNAME records; SES finds them some time
later. Here a person, or a test, says when.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from .api_error import already_exists, bad_request, not_found
from .smtp_address import is_address

Status = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]
TOKENS = 3


class Identity(msgspec.Struct):
    name: str
    status: Status = "PENDING"

    @property
    def kind(self) -> str:
        return "EMAIL_ADDRESS" if "@" in self.name else "DOMAIN"

    @property
    def verified(self) -> bool:
        return self.status == "SUCCESS"

    @property
    def tokens(self) -> list[str]:
        """The same for the same domain, at every start: whoever pasted the records need not do it again."""
        if self.kind != "DOMAIN":
            return []
        return [hashlib.sha256(f"{self.name}/{place}".encode()).hexdigest()[:32] for place in range(TOKENS)]


class Identities:
    """By lower-case name. `verified` is the account's set of those that a sandbox may write to; it is kept up."""

    def __init__(self, verified: set[str]) -> None:
        self._verified = verified
        self._known: dict[str, Identity] = {}

    def reset(self) -> None:
        self._verified -= set(self._known)
        self._known = {}

    def create(self, name: str) -> Identity:
        name = name.lower()
        if name in self._known:
            raise already_exists(f"Email identity {name} already exist.")
        if not is_address(name if "@" in name else f"postmaster@{name}"):
            raise bad_request(f"Invalid email identity {name[:320]}.")
        self._known[name] = Identity(name)
        return self._known[name]

    def get(self, name: str) -> Identity:
        found = self._known.get(name.lower())
        if found is None:
            raise not_found(f"Email identity {name} does not exist.")
        return found

    def delete(self, name: str) -> None:
        del self._known[self.get(name).name]
        self._verified.discard(name.lower())

    def all(self) -> list[Identity]:
        return list(self._known.values())

    def settle(self, name: str, status: Status) -> None:
        """What SES found in the DNS."""
        identity = self.get(name)
        identity.status = status
        (self._verified.add if identity.verified else self._verified.discard)(identity.name)

    def waits_for(self, sender: str) -> bool:
        """Whether the sender is known here, as address or by domain, and by neither verified yet."""
        names = (sender.lower(), sender.lower().rpartition("@")[2])
        known = [self._known[name] for name in names if name in self._known]
        return bool(known) and not any(identity.verified for identity in known)
