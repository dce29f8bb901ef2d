"""AWS Signature Version 4 for the one form of request that DynamoDB wants: a POST of JSON that names its operation.

*AWS General Reference*, "Create a signed AWS API request". botocore's signer is general and takes a sixth of the SDK's
time for a request; this one keeps the day's key, and the tests hold it equal to botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final, NamedTuple
from urllib.parse import quote

CONTENT_TYPE: Final = "application/x-amz-json-1.0"
SERVICE: Final = "dynamodb"
"""What is signed for, by the streams, too."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Keys(NamedTuple):
    """An access key; with temporary credentials also their session token. Never printed."""

    access: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Keys({self.access[:4]}…)"


class Signer:
    """Signs for one endpoint. `host` is the Host field (no usual port), `path` as it goes over the wire."""

    def __init__(self, region: str, host: str, path: str = "/") -> None:
        self._region = region
        self._host = host
        # Every service but S3 wants the path encoded once more than it goes over the wire.
        self._path = quote(path, safe="/~")
        self._of = ("", "")  # day and secret
        self._key = b""

    def headers(self, keys: Keys, target: str, body: bytes, now: int) -> dict[str, str]:
        """The header fields that are signed, and the signature; `now` in milliseconds since 1970.

        AWS takes a signature for five minutes.
        """
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now // 1000))
        fields = {"content-type": CONTENT_TYPE, "host": self._host, "x-amz-date": at}
        if keys.token is not None:
            fields["x-amz-security-token"] = keys.token
        fields["x-amz-target"] = target
        names = ";".join(fields)  # in the order of the alphabet
        lines = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in fields.items()])
        request = f"POST\n{self._path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{at[:8]}/{self._region}/{SERVICE}/aws4_request"
        text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(at[:8], keys.secret), text.encode(), "sha256").hex()
        fields["authorization"] = (
            f"{_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return fields

    def _key_of(self, day: str, secret: str) -> bytes:
        if self._of != (day, secret):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, SERVICE, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._of, self._key = (day, secret), key
        return self._key
