"""SNS notifications, signed as the real ones are (signature version 2: RSA-SHA256).

"Verifying the signatures of Amazon SNS messages" in the SNS developer guide gives the string that is signed. The key
is made at each start and is good for nothing outside this process.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cached_property

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from .clock import iso

SIGNED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")


class Notification(msgspec.Struct, frozen=True):
    """A signed notification, ready for any number of posts: SNS repeats the same bytes when it tries again."""

    headers: dict[str, str]
    body: bytes


class Signer:
    """Makes notifications. The key is made when it is first asked for: many tests look at no event."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._padding = padding.PKCS1v15()
        self._hash = hashes.SHA256()

    @cached_property
    def certificate(self) -> bytes:
        """PEM of what the notifications are verified with."""
        return _certificate(self._key, self._now)

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    def notification(
        self, *, message: str, subject: str, topic: str, message_id: str, at: int, base_url: str
    ) -> Notification:
        """`base_url` is the simulator's own, from where the certificate is served; `at` is in milliseconds."""
        envelope = {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": topic,
            "Subject": subject,
            "Message": message,
            "Timestamp": iso(at),
            "SignatureVersion": "2",
        }
        subscription = f"{topic}:00000000-0000-4000-8000-000000000000"
        envelope["Signature"] = self._sign(envelope)
        envelope["SigningCertURL"] = f"{base_url}/_simulator/certificate.pem"
        envelope["UnsubscribeURL"] = f"{base_url}/?Action=Unsubscribe&SubscriptionArn={subscription}"
        headers = {
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": message_id,
            "x-amz-sns-topic-arn": topic,
            "x-amz-sns-subscription-arn": subscription,
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
        }
        return Notification(headers, msgspec.json.encode(envelope))

    def _sign(self, envelope: dict[str, str]) -> str:
        text = "".join(f"{key}\n{envelope[key]}\n" for key in SIGNED)
        return base64.b64encode(self._key.sign(text.encode(), self._padding, self._hash)).decode()


def _certificate(key: rsa.RSAPrivateKey, now: int) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.simulator.example")])
    day = datetime.fromtimestamp(now // 1000, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(day - timedelta(days=1))
        .not_valid_after(day + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
