"""AWS Signature Version 4 for requests without a query: for every service but S3.

The AWS General Reference, "Create a signed AWS API request". botocore's signer is general and takes longer than the
rest of a request; this one keeps the day's key, and the tests hold it equal to botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Keys(NamedTuple):
    """An access key; with temporary credentials also their session token. Never printed."""

    access: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Keys({self.access[:4]}…)"


class Signer:
    """Signs for one region and service."""

    def __init__(self, region: str, service: str) -> None:
        self._region = region
        self._service = service
        self._of = ("", "")  # day and secret
        self._key = b""

    def headers(
        self, keys: Keys, method: str, path: str, fields: Mapping[str, str], body: bytes, now: int
    ) -> dict[str, str]:
        """The fields with those that sign them, all names in small letters; `now` in milliseconds since 1970.

        `fields` has the Host field (no usual port), `path` is absolute and percent-encoded as it goes over the wire.
        AWS takes a signature for five minutes.
        """
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now // 1000))
        signed = {**fields, "x-amz-date": at}
        if keys.token is not None:
            signed["x-amz-security-token"] = keys.token
        signed = dict(sorted(signed.items()))
        names = ";".join(signed)
        lines = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in signed.items()])
        request = f"{method}\n{_encoded(path)}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(at[:8], keys.secret), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def _key_of(self, day: str, secret: str) -> bytes:
        if self._of != (day, secret):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._of, self._key = (day, secret), key
        return self._key


@lru_cache(maxsize=64)
def _encoded(path: str) -> str:
    """Every service but S3 wants the path encoded once more than it goes over the wire."""
    return quote(path, safe="/~")
