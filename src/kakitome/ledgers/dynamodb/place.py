"""Where a ledger's table is: `dynamodb://TABLE?region=REGION[&endpoint=URL]`."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

from kakitome.core.errors import ConfigurationError

_KEY: Final = "ledger.url"
_REMEDY: Final = "Write dynamodb://TABLE?region=REGION, for example dynamodb://kakitome?region=ap-northeast-1."
_TABLE: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_REGION: Final = re.compile(r"[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")


class Place(NamedTuple):
    table: str
    region: str
    endpoint: str | None = None
    """Only for emulators, proxies and VPC endpoints."""


def place(url: str) -> Place:
    """Raises `ConfigurationError`, which says what is wrong with the address."""
    try:
        parts = urlsplit(url)
        asked = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _wrong(f"{url} cannot be read as an address ({error}).") from error
    told = dict(asked)
    if parts.scheme != "dynamodb" or parts.path.strip("/") or parts.fragment:
        raise _wrong(f"{url} does not name a DynamoDB table.")
    if not _TABLE.fullmatch(parts.netloc):  # not `hostname`, which is in small letters
        raise _wrong(f"“{parts.netloc}” is no table's name: 3 to 255 letters, digits, “_”, “-” or “.”.")
    if unknown := sorted(set(told) - {"region", "endpoint"}):
        raise _wrong(f"{url} has a parameter that is not known: {', '.join(unknown)}.")
    if len(told) < len(asked):
        raise _wrong(f"{url} says one thing twice.")
    if not _REGION.fullmatch(told.get("region", "")):
        raise _wrong(f"{url} names no AWS region: region={told.get('region', '')}.")
    return Place(parts.netloc, told["region"], _endpoint(told.get("endpoint")))


def _endpoint(address: str | None) -> str | None:
    if address is None:
        return None
    try:
        url: SplitResult = urlsplit(address)
        if url.scheme in ("http", "https") and url.hostname and url.port != 0:
            return address
    except ValueError:  # a port or an address in brackets that is none
        pass
    raise _wrong(f"{address} is not the address of an endpoint.", "Write endpoint=https://HOST, or leave it out.")


def _wrong(what: str, remedy: str = _REMEDY) -> ConfigurationError:
    return ConfigurationError(what, remedy, key=_KEY)
