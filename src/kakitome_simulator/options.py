"""What a simulator is told at its start; the command line and the tests fill the same record."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit


class OptionError(ValueError):
    """An option that cannot be taken; its text is for the person who gave it."""


@dataclass(frozen=True)
class Endpoint:
    """A loopback host and a port; port 0 lets the system choose. The simulator listens nowhere else."""

    host: str = "127.0.0.1"
    port: int = 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Options:
    """`None` switches a thing off. Without `rate` and `quota` nothing is throttled."""

    http: Endpoint = Endpoint()
    smtp: Endpoint | None = Endpoint()
    smtps: Endpoint | None = None
    accepted: Path | None = None  # None: a temporary file that goes with the process
    mailbox: Path | None = None
    certificate: Path | None = None  # where the SNS signing certificate is written
    tls_certificate: Path | None = None  # where the CA of the SMTP servers is written
    faults: tuple[str, ...] = ()
    events_urls: tuple[str, ...] = ()
    signature_version: Literal[1, 2] = 2
    raw_delivery: bool = False
    event_form: Literal["eventType", "notificationType"] = "eventType"
    event_delay: float = 0.0  # seconds
    events_retry_seconds: float = 60.0
    rate: int | None = None  # recipients in any second
    quota: int | None = None  # recipients in any 24 hours
    sandbox: bool = False
    verified: frozenset[str] = frozenset()  # addresses and domains that a sandbox account may write to
    play: frozenset[str] = frozenset()  # domains whose `bounce+…` local parts act
    require_tls: bool = False
    require_authentication: bool = True
    credentials: tuple[str, str] | None = None  # None: any that are not empty
    seed: int | None = None
    sendgrid_events: tuple[str, ...] = ()  # where SendGrid's event webhooks go
    sendgrid_key: Path | None = None  # where the public key of their signatures is written
    sendgrid_api_key: str | None = None  # None: any
    sendgrid_rate: int | None = None  # requests in a window of SendGrid's
    sendgrid_window: float = 60.0  # seconds


def endpoint(text: str) -> Endpoint:
    """Read `HOST:PORT`. Raises `OptionError` unless the host is a loopback address."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise OptionError(f"{text!r} is not HOST:PORT")
    host = host.strip("[]")
    if not is_loopback(host):
        raise OptionError(f"{host!r} is not a loopback address; the simulator listens on no other")
    return Endpoint("127.0.0.1" if host == "localhost" else host, int(port))


def events_url(text: str) -> str:
    """Check a URL that events are posted to. Raises `OptionError`: played events stay on this machine."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not is_loopback(parts.hostname or ""):
        raise OptionError(f"{text!r} is not an http(s) URL on a loopback address")
    return text


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
