"""Requests to DynamoDB and its streams as they go over the wire: JSON, signed, over connections that are kept.

*Amazon DynamoDB Developer Guide*, "DynamoDB low-level API"; AWS's "AWS JSON 1.0 protocol". The SDK's client does the
same for three times the CPU (docs/decisions.md). Nothing is repeated here, nothing is followed elsewhere.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from kakitome.core.errors import ConfigurationError
from kakitome.core.sigv4 import Signer
from kakitome.ledgers.dynamodb.access import Told, Way
from kakitome.ports.clock import Clock

CONNECTIONS: Final = 128
"""Held at most. What is asked beyond that waits for one, in this process and without a limit of its own."""

CONNECT_S: Final = 3.0
IDLE_S: Final = 12.0
"""An older connection may have been forgotten on its way."""

CONTENT_TYPE: Final = "application/x-amz-json-1.0"
SERVICE: Final = "dynamodb"
"""What is signed for, by the streams, too."""

TARGETS: Final = {"dynamodb": "DynamoDB_20120810", "dynamodbstreams": "DynamoDBStreams_20120810"}

# Identity: the checksum is that of the bytes that come.
_FIELDS: Final = {"accept-encoding": "identity", "user-agent": "kakitome"}


class Garbled(Exception):
    """What came is no answer of DynamoDB's: it was changed on its way, or is a proxy's page."""


class Wire:
    """Bytes are base64 in what is answered (`marshal.read` knows), and bytes in what is asked. One event loop."""

    def __init__(self, way: Way, region: str, service: str, clock: Clock, answer_s: float) -> None:
        """`answer_s`: seconds that the next bytes of an answer may take."""
        import aiohttp
        from yarl import URL

        there = urlsplit(way.url)
        self._url = URL(way.url, encoded=True)
        self._way = way
        self._signer = Signer(region, SERVICE)
        self._path = there.path or "/"
        self._fields = {"content-type": CONTENT_TYPE, "host": _host(there.scheme, there.netloc)}
        self._target = TARGETS[service]
        self._clock = clock
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_S, ssl=way.tls),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=answer_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("accept",),
        )

    async def ask(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """The answer to an operation, by its name in the SDK (`put_item`).

        Raises `Told` for AWS's errors, `Garbled`, and what the network and the credentials raise.
        """
        body = msgspec.json.encode(parameters)
        keys = await self._way.credentials.keys()
        fields = {**self._fields, "x-amz-target": f"{self._target}.{_name(operation)}"}
        signed = self._signer.headers(keys, "POST", self._path, fields, body, self._clock.now())
        async with self._session.post(
            self._url, data=body, headers={**_FIELDS, **signed}, allow_redirects=False, proxy=self._way.proxy
        ) as answer:
            return understood(answer.status, answer.headers, await answer.read())

    async def close(self) -> None:
        await self._session.close()


def understood(status: int, headers: Any, body: bytes) -> dict[str, Any]:
    """What an answer says. `headers` by name in any case. Raises `Told` or `Garbled`."""
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and checksum != str(zlib.crc32(body)):
        raise Garbled(f"the answer's checksum is not {checksum}")
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        found = None
    if status == 200 and isinstance(found, dict):
        return found
    if status == 200:
        raise Garbled(f"no JSON: {body[:100]!r}")
    words = found if isinstance(found, dict) else {"message": body[:300].decode(errors="replace")}
    code = str(words.get("__type") or status)
    error = {
        "Code": code.rpartition("#")[2].partition(":")[0],
        "Message": words.get("message") or words.get("Message") or "",
    }
    raise Told({**words, "Error": error, "ResponseMetadata": {"HTTPStatusCode": status}})


def loaded() -> None:
    """Import what takes long. Raises `ConfigurationError` where it is not installed."""
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        remedy = "Install kakitome[server]."
        raise ConfigurationError("A ledger on DynamoDB needs aiohttp.", remedy, key="ledger.url") from error


@cache
def _name(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def _host(scheme: str, netloc: str) -> str:
    usual = {"http": ":80", "https": ":443"}[scheme]
    return netloc.rpartition("@")[2].removesuffix(usual)
