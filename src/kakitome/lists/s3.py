"""A list in S3: one version of one object, read in parts. (Amazon S3 API Reference, "GetObject".)

Each part is asked for with the version that was pinned, and with its ETag, so that no pass mixes two. A part is taken
off the wire whole before its rows are handed out: no connection waits for a ledger, and a connection that breaks costs
what it had not brought yet.

The SDK repeats requests here, which it must not where mail is sent: reading twice is harmless. Where S3 is, and whose
keys are used, is what the SDK's own environment and profiles say (`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kakitome.core.errors import ListError

from .origin import CHUNK, empty
from .s3_refusals import asking

SCHEME: Final = "s3://"
PART: Final = 4 * 1024 * 1024
"""Bytes that one request asks for, and that are held at once. The first part of a pass is a `CHUNK`: whoever reads only
the header need not wait for more."""

_VERSION: Final = "?versionId="
_BARREN: Final = 5  # answers in a row that bring nothing, after which the connection is taken for useless


class S3Object(msgspec.Struct, frozen=True, kw_only=True):
    """`version_id` is None in a bucket that keeps no versions; there the ETag alone is the pin, and an object that was
    replaced is refused. With versions, the pinned one is read to its end whatever has been put since."""

    bucket: str
    key: str
    size: int
    etag: str
    version_id: str | None
    client: Any

    @property
    def path(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def version(self) -> str:
        """The VersionId where it names one state of the object for ever, else the ETag."""
        return self.version_id if self.version_id not in (None, "null") else self.etag.strip('"')

    def check(self) -> None:
        with asking(self.path, opened=True):
            self.client.head_object(**self._pin())

    def chunks(self) -> Iterator[bytes]:
        at, length = 0, CHUNK
        while at < self.size:
            part = self._part(at, min(at + length, self.size))
            at, length = at + len(part), PART
            for begin in range(0, len(part), CHUNK):
                yield bytes(part[begin : begin + CHUNK])
            del part  # before the next one is fetched

    def _part(self, begin: int, end: int) -> bytearray:
        part = bytearray()
        barren = 0
        while len(part) < end - begin:
            had = len(part)
            self._receive(begin + had, end, part)
            barren = 0 if len(part) > had else barren + 1
            if barren == _BARREN:
                raise ListError(
                    f"{self.path} cannot be read: the connection breaks each time, at byte {begin + had:,}.",
                    "Look at the network; the same command goes on where it stopped.",
                )
        return part

    def _receive(self, at: int, end: int, part: bytearray) -> None:
        """Append what comes of the bytes from `at` to `end`; less, if the connection breaks."""
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        with asking(self.path, opened=True):
            answer = self.client.get_object(**self._pin(), Range=f"bytes={at}-{end - 1}")
        body = answer["Body"]
        before = 0 if "ContentRange" in answer else at  # a store may answer a range with everything
        try:
            while before and (piece := body.read(min(CHUNK, before))):
                before -= len(piece)
            while at < end and (piece := body.read(min(CHUNK, end - at))):
                part += piece
                at += len(piece)
        except (HTTPClientError, IncompleteReadError):
            return  # asked for again from where it broke
        finally:
            body.close()

    def _pin(self) -> dict[str, str]:
        version = {} if self.version_id is None else {"VersionId": self.version_id}
        return {"Bucket": self.bucket, "Key": self.key, "IfMatch": self.etag, **version}


def pinned(path: str) -> S3Object:
    """The object as it is now, or the version of it that `s3://BUCKET/KEY?versionId=VERSION` names.

    Raises `ListError` where there is nothing to read or nobody may read it.
    """
    bucket, _, key = path.removeprefix(SCHEME).partition("/")
    key, _, version = key.partition(_VERSION)
    if not bucket or not key:
        raise ListError(f"{path} names no list.", "Write s3://BUCKET/KEY.")
    plain = f"{SCHEME}{bucket}/{key}"
    wanted = {"VersionId": version} if version else {}
    with asking(plain):
        client = _client()
        answer = client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0", **wanted)
        answer["Body"].close()
    size = int(answer["ContentRange"].rpartition("/")[2]) if "ContentRange" in answer else answer["ContentLength"]
    if not size:
        raise empty(plain)
    return S3Object(
        bucket=bucket, key=key, size=size, etag=answer["ETag"], version_id=answer.get("VersionId"), client=client
    )


def _client() -> Any:
    from botocore.config import Config  # a third of a second, only where a list is in S3
    from botocore.session import Session

    # Our digest is over all bytes; the SDK's own checksums are of whole objects, and we ask for parts.
    config = Config(connect_timeout=5, read_timeout=30, response_checksum_validation="when_required")
    return Session().create_client("s3", config=config)
