"""Proof that a post is SendGrid's: its Signed Event Webhook.

ECDSA over P-256 and SHA-256, of the timestamp's text and the body's bytes as they came (SendGrid's page "Event Webhook
Security Features"). The public key is base64 of a SubjectPublicKeyInfo without PEM's armour. Nothing of the body is
read before its signature holds.

SendGrid documents no age at which a post is stale, and does not say whether a repetition, which may come a day later,
is signed anew. So age alone refuses nothing below a wide limit, and the dedupe of events makes a replay harmless; a
post beyond five minutes is told of.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kakitome.core.errors import ConfigurationError, EventRefused

SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"

OLDEST_MS: Final = 25 * 60 * 60 * 1000
"""SendGrid tries again for 24 hours."""

USUAL_MS: Final = 5 * 60 * 1000
"""Beyond it a post is a repetition, or somebody's clock is wrong: worth a line in the log."""

BODY_LIMIT: Final = 5 * 1024 * 1024  # bytes
_ARMOUR: Final = re.compile(r"-----(BEGIN|END) PUBLIC KEY-----|\s")
_SIGNATURE_LIMIT: Final = 256  # characters; a P-256 signature in DER has 72 octets
_HASH: Final = ec.ECDSA(hashes.SHA256())


class Why(StrEnum):
    """For the log only: who is refused is not told what to change."""

    KEYS = "set of keys, which is empty,"
    HEADERS = "header"
    SIZE = "size"
    SIGNATURE = "signature"
    AGE = "age"


def public_key(text: str, key: str) -> ec.EllipticCurvePublicKey:
    """The key as SendGrid's settings show it, with or without PEM's armour. Raises `ConfigurationError`, which names
    the setting `key`."""
    try:
        found = load_der_public_key(base64.b64decode(_ARMOUR.sub("", text), validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        found = None
    if isinstance(found, ec.EllipticCurvePublicKey) and isinstance(found.curve, ec.SECP256R1):
        return found
    raise ConfigurationError(
        f"{key} leads to something that is no verification key of SendGrid's.",
        "Copy the whole line from Settings, Mail Settings, Event Webhook, Signature verification.",
        key=key,
    )


class SendGridSignature:
    """Who may speak for SendGrid: whoever signs with one of `keys` (several, so that one can be replaced). `now` gives
    milliseconds."""

    def __init__(
        self, keys: Sequence[ec.EllipticCurvePublicKey], now: Callable[[], int], *, oldest_ms: int = OLDEST_MS
    ) -> None:
        self._keys = tuple(keys)
        self._now = now
        self._oldest_ms = oldest_ms

    def verify(self, headers: Mapping[str, str], body: bytes) -> int:
        """How long ago the post was signed, in milliseconds (below zero: in the future). Raises `EventRefused` (HTTP
        403) for whatever is not proved."""
        if not self._keys:
            raise _refused(Why.KEYS)
        if len(body) > BODY_LIMIT:
            raise _refused(Why.SIZE)
        given = {name.lower(): value for name, value in headers.items()}
        stamp, proof = given.get(TIMESTAMP, ""), _decoded(given.get(SIGNATURE, ""))
        if not re.fullmatch(r"[0-9]{1,13}", stamp, re.ASCII) or not proof:
            raise _refused(Why.HEADERS)
        signed = stamp.encode("ascii") + body
        if not any(_holds(key, proof, signed) for key in self._keys):
            raise _refused(Why.SIGNATURE)
        age = self._now() - int(stamp) * 1000
        if abs(age) > self._oldest_ms:  # both ways: our clock may be the wrong one
            raise _refused(Why.AGE)
        return age


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if len(text) <= _SIGNATURE_LIMIT else b""
    except (ValueError, binascii.Error):
        return b""


def _holds(key: ec.EllipticCurvePublicKey, proof: bytes, signed: bytes) -> bool:
    try:
        key.verify(proof, signed, _HASH)
    except InvalidSignature:
        return False
    return True


def _refused(why: Why) -> EventRefused:
    return EventRefused(
        "The post does not prove that it comes from SendGrid.",
        "The signature must be of a key in events.sendgrid_keys; the log says what was missing.",
        why=why,
    )
