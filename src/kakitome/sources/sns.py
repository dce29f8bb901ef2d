"""The envelope of Amazon SNS: proof of where an event comes from, and nothing believed before it.

The order of the checks is the defence. Size and form cost nothing to check; then the topic must be on our list; and
only for a topic of ours is a certificate looked up, from an address of AWS's own making in the topic's own region.
So a stranger cannot make this machine open a connection. `SubscribeURL` is never opened: a confirmation is a value,
and whoever wants it calls ConfirmSubscription with its topic and token.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kakitome.core.event import Event
from kakitome.core.reply import printable
from kakitome.sources.certificates import Certificates, SimulatorCertificates, is_aws_certificate
from kakitome.sources.ses import parse_ses
from kakitome.sources.sns_envelope import (
    Confirmation,
    Envelope,
    Notification,
    Why,
    contents,
    open_envelope,
    published_at,
    refused,
    signature,
    signed_bytes,
)

__all__ = [
    "Certificates",
    "Confirmation",
    "Notification",
    "SimulatorCertificates",
    "SnsSource",
    "Why",
    "is_aws_certificate",
]

BODY_LIMIT: Final = 1024 * 1024
"""Bytes. SNS carries 256 KiB; its JSON inside JSON doubles every quote and backslash."""

MAX_AGE_MS: Final = 60 * 60 * 1000
"""SNS gives up an HTTPS endpoint after 3,600 s, so nothing honest is older."""

CLOCK_SLACK_MS: Final = 5 * 60 * 1000

_HEADERS: Final = {
    "x-amz-sns-message-type": "type",
    "x-amz-sns-topic-arn": "topic_arn",
    "x-amz-sns-message-id": "message_id",
}


class SnsSource:
    """Events of SES by way of SNS over HTTPS. Out of a queue they come by `sns_records`.

    `topics` are the ARNs that may speak to us; none means that nobody may. `now` gives milliseconds. Signature version
    1 is SHA-1 and is taken only with `allow_sha1`; set the topic's `SignatureVersion` to 2 instead.
    """

    def __init__(
        self,
        certificates: Certificates,
        topics: Collection[str],
        now: Callable[[], int],
        *,
        allow_sha1: bool = False,
        max_age_ms: int = MAX_AGE_MS,
        body_limit: int = BODY_LIMIT,
    ) -> None:
        self._certificates = certificates
        self._topics = frozenset(topics)
        self._now = now
        self._hashes: dict[str, hashes.HashAlgorithm] = {"2": hashes.SHA256()}
        if allow_sha1:
            self._hashes["1"] = hashes.SHA1()  # noqa: S303 - SNS's old default; the operator asked for it
        self._max_age_ms = max_age_ms
        self._body_limit = body_limit

    async def verify(self, headers: Mapping[str, str], body: bytes) -> Notification | Confirmation:
        """What an HTTP POST proves to be.

        Raises `EventRefused` (HTTP 403) for whatever is not proved, and lets `CertificateUnavailable` (503) pass.
        """
        envelope = self._open(body)
        given = {name.lower(): value for name, value in headers.items()}
        if any(given.get(header) != getattr(envelope, field) for header, field in _HEADERS.items()):
            raise refused(Why.HEADERS)
        return await self._proved(envelope)

    def parse(self, notification: Notification) -> list[Event]:
        """The events inside: the second JSON of the double JSON. Raises `EventUnreadable` (quarantine, not 403)."""
        return parse_ses(notification.message, self._now())

    def _open(self, body: bytes) -> Envelope:
        envelope = open_envelope(body, self._body_limit)
        if envelope.topic_arn not in self._topics:
            raise refused(Why.TOPIC)
        return envelope

    async def _proved(self, envelope: Envelope) -> Notification | Confirmation:
        at, signed, proof = published_at(envelope), signed_bytes(envelope), signature(envelope)
        algorithm = self._hashes.get(envelope.signature_version)
        if algorithm is None:
            raise refused(Why.VERSION, topic=envelope.topic_arn, old=envelope.signature_version == "1")
        # Both ways: our clock may be the wrong one, and SNS never repeats what got a 403.
        if abs(self._now() - at) > self._max_age_ms + CLOCK_SLACK_MS:
            raise refused(Why.AGE)
        key = await self._key(envelope, at)
        try:
            key.verify(proof, signed, padding.PKCS1v15(), algorithm)
        except (InvalidSignature, UnsupportedAlgorithm) as error:
            raise refused(Why.SIGNATURE) from error
        return contents(envelope)

    async def _key(self, envelope: Envelope, at: int) -> rsa.RSAPublicKey:
        if not self._certificates.permits(envelope.signing_cert_url, envelope.topic_arn):
            named = printable(envelope.signing_cert_url, 200)
            raise refused(Why.CERTIFICATE, detail=f"{named} may not vouch for {envelope.topic_arn}")
        certificate = await self._certificates.get(envelope.signing_cert_url)
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        try:
            key = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise refused(Why.CERTIFICATE) from error
        # Validity is asked for the time of signing: an event may have waited in a queue while AWS changed its key.
        if not (begins <= at / 1000 <= ends and isinstance(key, rsa.RSAPublicKey)):
            raise refused(Why.CERTIFICATE)
        return key
