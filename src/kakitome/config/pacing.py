"""Which recipients' domains have a pace of their own."""

from __future__ import annotations

import math

from kakitome.config.tables import Config
from kakitome.core.address import parse_address
from kakitome.core.errors import AddressError, ConfigurationError


def paces_of(config: Config) -> dict[str, str]:
    """From each domain (A-labels, in lower case) to the name of its pace. A subdomain has to be named itself.

    Raises `ConfigurationError`.
    """
    named: dict[str, str] = {}
    for name, table in config.pacing.items():
        at = f"pacing.{name}"
        if not 0 < table.rate < math.inf:
            what, remedy = f"{at}.rate = {table.rate} is no pace.", "Write mails a second; 0.5 is one in two seconds."
            raise ConfigurationError(what, remedy, key=f"{at}.rate")
        if not table.domains:
            raise ConfigurationError(f"{at} names no domain.", "Name some, or remove it.", key=f"{at}.domains")
        for text in table.domains:
            domain = _domain(text, f"{at}.domains")
            if named.setdefault(domain, name) != name:
                what = f"{domain} is in pacing.{named[domain]}.domains and in {at}.domains."
                raise ConfigurationError(what, "A domain has one pace: remove it from one.", key=f"{at}.domains")
    return named


def _domain(text: str, key: str) -> str:
    try:
        return parse_address(f"somebody@{text}").domain
    except AddressError as error:
        what = f"{key} names {text!r}, which is no domain: {error.what}"
        raise ConfigurationError(what, 'Write what stands behind the @, as "docomo.ne.jp".', key=key) from error
