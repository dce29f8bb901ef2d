"""Where an API over HTTP is spoken to, AWS's or another."""

from __future__ import annotations

import ssl
from urllib.parse import SplitResult, urlsplit

from kakitome.core.errors import ConfigurationError
from kakitome.transports.http_line import Connection, connect
from kakitome.transports.opening import tls_context


class Endpoint:
    """The address in the pieces that a connection, a signature and a request want. `ca` is a PEM file that is trusted
    instead of the system's authorities. Raises `ConfigurationError` for what is no address or no certificate.

    `host` is the Host field, which has no port where it is the usual one; `path` stands in front of every operation's.
    """

    def __init__(self, address: str, ca: str | None) -> None:
        url = _url(address)
        assert url.hostname is not None
        self._name = url.hostname
        self._tls: ssl.SSLContext | None = tls_context(ca) if url.scheme == "https" else None
        usual = 443 if url.scheme == "https" else 80
        self._port = url.port or usual
        bracketed = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        self.host = bracketed if self._port == usual else f"{bracketed}:{self._port}"
        self.path = url.path.rstrip("/")

    async def connect(self) -> Connection:
        """A fresh connection, verified where there is TLS. Raises `Unreached`."""
        return await connect(self._name, self._port, self._tls)


def _url(address: str) -> SplitResult:
    try:
        url = urlsplit(address)
        if url.scheme in ("http", "https") and url.hostname and url.port != 0:
            return url
    except ValueError:  # a port or an address in brackets that is none
        pass
    raise ConfigurationError(f"{address} is not the address of an endpoint.", "Write https://HOST.")
