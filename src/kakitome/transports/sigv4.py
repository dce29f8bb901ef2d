"""AWS Signature Version 4 for one kind of request: JSON, without a query.

The AWS General Reference, "Create a signed AWS API request". botocore's signer is general and costs twice what the
rest of a request does; this one keeps the day's key, and the tests hold it equal to botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final
from urllib.parse import quote

import msgspec

CONTENT_TYPE: Final = "application/json"
_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Keys(msgspec.Struct, frozen=True):
    """An access key; with temporary credentials also their session token. Never printed."""

    access: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Keys({self.access[:4]}…)"


class Signer:
    """Signs for one region and service."""

    def __init__(self, keys: Keys, region: str, service: str = "ses") -> None:
        self.keys = keys
        self._region = region
        self._service = service
        self._day = ""
        self._key = b""

    def headers(self, host: str, path: str, body: bytes, now: int, method: str = "POST") -> list[tuple[str, str]]:
        """The header fields of the request but for its length; `now` in milliseconds.

        `host` is the Host field (no default port), `path` absolute and percent-encoded as it goes over the wire. AWS
        takes a signature for five minutes.
        """
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now // 1000))
        fields = [("content-type", CONTENT_TYPE), ("host", host), ("x-amz-date", at)]
        if self.keys.token is not None:
            fields.append(("x-amz-security-token", self.keys.token))
        names = ";".join(name for name, _ in fields)
        lines = "".join(f"{name}:{' '.join(value.split())}\n" for name, value in fields)
        # Every service but S3 wants the path encoded once more than it goes over the wire.
        request = f"{method}\n{quote(path, safe='/~')}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self._key_of(at[:8]), text.encode(), hashlib.sha256).hexdigest()
        credential = f"Credential={self.keys.access}/{scope}"
        return [*fields, ("authorization", f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}")]

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self.keys.secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self._day, self._key = day, key
        return self._key
