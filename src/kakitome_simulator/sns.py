"""SNS notifications, signed as the real ones are (RSA, with SHA-1 in version 1 and SHA-256 in version 2).

"Verifying the signatures of Amazon SNS messages" in the SNS developer guide gives the string that is signed. The key
is made at each start and is good for nothing outside this process.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from .clock import iso

# In this order, of a notification and of a confirmation, as far as there are such fields.
SIGNED = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class Notification(msgspec.Struct, frozen=True):
    """A notification, ready for any number of posts: SNS repeats the same bytes when it tries again.

    `text` is the message alone, for who signs it himself.
    """

    headers: dict[str, str]
    body: bytes
    topic: str = ""
    subject: str = ""
    text: str = ""


class Form(msgspec.Struct, forbid_unknown_fields=True):
    """How subscribers get their messages. `signature_version` 1 is SHA-1, SNS's own default; `raw_delivery` is the
    message without envelope and signature; `event_form` "notificationType" is that of an identity's notifications."""

    signature_version: Literal[1, 2] = 2
    raw_delivery: bool = False
    event_form: Literal["eventType", "notificationType"] = "eventType"


class Signer:
    """Makes notifications. The key is made when it is first asked for: many tests look at no event."""

    def __init__(self, now: int, form: Form | None = None) -> None:
        self._now = now
        self.form = form or Form()
        self._padding = padding.PKCS1v15()

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
        subscription = f"{topic}:00000000-0000-4000-8000-000000000000"
        headers = _headers("Notification", message_id, topic) | {"x-amz-sns-subscription-arn": subscription}
        if self.form.raw_delivery:
            headers |= {"x-amz-sns-rawdelivery": "true"}
            return Notification(headers, message.encode(), topic, subject, message)
        envelope = {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": topic,
            "Subject": subject,
            "Message": message,
            "Timestamp": iso(at),
        }
        body = self._enveloped(envelope, base_url) | {
            "UnsubscribeURL": f"{base_url}/?Action=Unsubscribe&SubscriptionArn={subscription}"
        }
        return Notification(headers, msgspec.json.encode(body), topic, subject, message)

    def confirmation(self, *, topic: str, token: str, message_id: str, at: int, base_url: str) -> Notification:
        """What SNS posts to a new subscriber, who is to confirm it by the token."""
        text = (
            f"You have chosen to subscribe to the topic {topic}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message."
        )
        envelope = {
            "Type": "SubscriptionConfirmation",
            "MessageId": message_id,
            "Token": token,
            "TopicArn": topic,
            "Message": text,
            "SubscribeURL": f"{base_url}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
            "Timestamp": iso(at),
        }
        body = msgspec.json.encode(self._enveloped(envelope, base_url))
        return Notification(_headers("SubscriptionConfirmation", message_id, topic), body, topic, "", text)

    def _enveloped(self, envelope: dict[str, str], base_url: str) -> dict[str, str]:
        version = self.form.signature_version
        text = "".join(f"{key}\n{envelope[key]}\n" for key in SIGNED if key in envelope)
        # SHA-1 is what AWS signs version 1 with; nobody's safety hangs on it here.
        hashed = hashes.SHA256() if version == 2 else hashes.SHA1()  # noqa: S303
        signature = base64.b64encode(self._key.sign(text.encode(), self._padding, hashed)).decode()
        return envelope | {
            "SignatureVersion": str(version),
            "Signature": signature,
            "SigningCertURL": f"{base_url}/_simulator/certificate.pem",
        }


def _headers(kind: str, message_id: str, topic: str) -> dict[str, str]:
    return {
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": topic,
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
    }


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
