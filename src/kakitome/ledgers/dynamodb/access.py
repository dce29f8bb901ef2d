"""Where DynamoDB is, and with which keys it is asked: botocore's own chain and rules, without its client.

Region, endpoint (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_DYNAMODB`, FIPS, dual stack, partitions, an account's own),
profile, SSO, role of the machine or the container, authorities: AWS's chain has too many links to have a second one.
*AWS SDKs and Tools Reference Guide*, "Standardized credential providers" and "Service-specific endpoints".
"""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kakitome.core.errors import ConfigurationError
from kakitome.core.sigv4 import Keys

LAST_CALL_S: Final = 60
"""Keys that end so soon are waited for; before that they are renewed while others go on with the old ones."""

_BUNDLE: Final = "REQUESTS_CA_BUNDLE"
_QUESTIONS: Final = {"dynamodb": "list_tables", "dynamodbstreams": "list_streams"}
_creating = threading.Lock()


class Told(Exception):
    """AWS has answered with an error. `response` is in the SDK's form."""

    def __init__(self, response: dict[str, Any]) -> None:
        error = response.get("Error", {})
        super().__init__(f"{error.get('Code')}: {error.get('Message')}")
        self.response = response


class Keyless(Exception):
    """The chain has no keys, or no endpoint. `code` is the SDK's name for it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.code = type(error).__name__


class Credentials(Protocol):
    async def keys(self) -> Keys: ...


class Way(NamedTuple):
    url: str
    tls: ssl.SSLContext | bool
    """What is trusted; True: the system's authorities."""
    proxy: str | None
    credentials: Credentials


class Known:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def keys(self) -> Keys:
        return self._keys


class Chain:
    """What botocore found, and renews: over the network, therefore in a thread."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self._renewing = asyncio.Lock()
        self._latest: Keys | None = None

    async def keys(self) -> Keys:
        """Good for a minute at least. Raises `Keyless` or `Told`."""
        latest = self._latest
        if latest is not None and not (self._ending(LAST_CALL_S) if self._renewing.locked() else self._ending()):
            return latest
        async with self._renewing:
            latest = self._latest  # another's meanwhile
            if latest is not None and not self._ending():
                return latest
            found: Keys = await asyncio.to_thread(_asked, self._frozen)
            self._latest = found
            return found

    def _ending(self, within: int | None = None) -> bool:
        """Whether it is time to renew them: botocore's own time, a quarter of an hour before, unless it is said."""
        return hasattr(self._found, "refresh_needed") and bool(self._found.refresh_needed(within))

    def _frozen(self) -> Keys:
        found = self._found.get_frozen_credentials()
        return Keys(found.access_key, found.secret_key, found.token or None)


async def way(service: str, region: str, endpoint: str | None, keys: tuple[str, str] | None) -> Way:
    """Raises `Keyless` or `Told`, and `ConfigurationError` where the SDK is not installed.

    Who names endpoint and keys needs no SDK. Otherwise what was found is kept for as long as the environment is the
    same: a session takes 20 ms, the first one of a process half a second.
    """
    if endpoint is not None and keys is not None:
        return Way(endpoint, True, proxy_to(endpoint), Known(Keys(*keys)))
    told = frozenset((n, v) for n, v in os.environ.items() if n.startswith("AWS_") or n in {"HOME", _BUNDLE})
    url, tls, found = await asyncio.to_thread(_asked, _found, service, region, endpoint, keys, told)
    return Way(url, tls, proxy_to(url), Known(Keys(*keys)) if keys is not None else Chain(found))


def proxy_to(url: str) -> str | None:
    """As the environment has it."""
    there = urlsplit(url)
    return None if proxy_bypass(there.hostname or "") else getproxies().get(there.scheme)


@lru_cache(maxsize=64)
def _found(
    service: str, region: str, endpoint: str | None, keys: tuple[str, str] | None, told: frozenset[tuple[str, str]]
) -> tuple[str, ssl.SSLContext, Any]:
    access, secret = keys or (None, None)
    with _creating:  # a session is not for several threads, what it has made is
        session = _session(told)
        client = session.create_client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
        )
        # The only word of the public client that goes through the rules for endpoints without a request.
        url = client.generate_presigned_url(_QUESTIONS[service]).partition("?")[0]
        bundle = session.get_config_variable("ca_bundle") or os.environ.get(_BUNDLE)
        return url, _trusting(bundle), None if keys else session.get_credentials()


@lru_cache(maxsize=8)
def _session(told: frozenset[tuple[str, str]]) -> Any:
    from botocore.session import Session

    session = Session()
    session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> Any:
    """What the SDK knows of its services: read once in a process."""
    from botocore.session import Session

    return Session().get_component("data_loader")


@lru_cache(maxsize=8)
def _trusting(bundle: str | None) -> ssl.SSLContext:
    from botocore.httpsession import where

    return ssl.create_default_context(cafile=bundle or where())


def _asked(ask: Any, *words: Any) -> Any:
    """The SDK's errors as ours. In a thread: importing it takes half a second, its chain may ask the network."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        remedy = "Install kakitome[server]."
        raise ConfigurationError("A ledger on DynamoDB needs aiobotocore.", remedy, key="ledger.url") from error
    try:
        return ask(*words)
    except ClientError as error:
        raise Told(error.response) from error
    except BotoCoreError as error:
        raise Keyless(error) from error
