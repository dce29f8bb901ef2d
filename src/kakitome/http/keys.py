"""Who may ask: bearer keys (RFC 6750 §2.1), named by the configuration and never kept as they are."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from kakitome.config import is_loopback, secret
from kakitome.core.errors import ConfigurationError
from kakitome.http.problems import KeyRefused, StrangeOrigin

KEYLESS = "local"
"""The idempotency scope where no key is set."""


@dataclass(frozen=True, slots=True)
class Keys:
    """SHA-256 of each key that was found; `missing` says which references stand for nothing."""

    digests: tuple[bytes, ...]
    missing: tuple[str, ...] = ()

    def scope(self, headers: Mapping[str, str]) -> str:
        """Who asks, as the scope of idempotency keys: the short hash of the key.

        Raises `KeyRefused`. Without any key this machine alone may ask: its programs, not the pages in its browsers
        (`StrangeOrigin`), which could otherwise post mail here, or read answers under a name that they rebound.
        """
        if not self.digests:
            _this_machine(headers)
            return KEYLESS
        kind, _, given = headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
        # Every key is compared, each in constant time: how long the answer takes tells nothing.
        fits = [hmac.compare_digest(digest, own) for own in self.digests]
        if kind.lower() != "bearer" or not any(fits):
            raise KeyRefused("The request has no API key of this instance.", "Send `Authorization: Bearer KEY`.")
        return digest.hex()[:16]


def read_keys(references: Sequence[str], environment: Mapping[str, str] | None = None) -> Keys:
    """The keys behind the references; a variable that is not set, or empty, is missing, not a key."""
    digests, missing = [], []
    for reference in references:
        try:
            key = secret(reference, "http.keys", environment).strip()
        except ConfigurationError:
            if not reference.startswith(("env:", "file:")):
                raise
            key = ""
        if key:
            digests.append(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest())
        else:
            missing.append(reference)
    return Keys(tuple(digests), tuple(missing))


def _this_machine(headers: Mapping[str, str]) -> None:
    """DNS rebinding shows in Host, another site's page in Origin; programs of this machine send neither."""
    named = [f"//{headers.get('host', '')}", *([headers["origin"]] if "origin" in headers else [])]
    if not all(is_loopback(_host(name)) for name in named):
        raise StrangeOrigin(
            "Without an API key, only programs of this machine may ask.",
            "Set KAKITOME_API_KEY (or [http] keys) and send `Authorization: Bearer KEY`.",
        )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
