"""What SendGrid's Event Webhook tells about a mail, and its signature.

Fields after "Event Webhook Reference"; the signature after "Event Webhook Security Features": ECDSA over P-256 and
SHA-256, of the timestamp and the body as they go over the wire. The key is made at each start.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cached_property

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .fate import Turn

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
USER_AGENT = "Mozilla/5.0 (kakitome-simulator)"

Json = dict[str, object]


class Passage(msgspec.Struct, frozen=True, eq=False):
    """One accepted personalization: as much as its events tell of it. `args` are the merged custom arguments."""

    message_id: str  # X-Message-Id
    place: int  # of the personalization
    recipients: tuple[str, ...]
    args: dict[str, str]
    categories: tuple[str, ...] = ()


_TOLD: dict[Turn, Json] = {
    Turn.SEND: {"event": "processed"},
    Turn.DELIVERY: {"event": "delivered", "response": "250 2.0.0 OK", "ip": "192.0.2.1", "tls": 1},
    Turn.DELAY: {"event": "deferred", "response": "421 4.2.1 try again later", "attempt": "1", "ip": "192.0.2.1"},
    Turn.BOUNCE: {
        "event": "bounce",
        "type": "bounce",
        "status": "5.1.1",
        "reason": "550 5.1.1 user unknown",
        "bounce_classification": "Invalid Address",
    },
    Turn.SOFT_BOUNCE: {
        "event": "bounce",
        "type": "blocked",
        "status": "5.2.2",
        "reason": "552 5.2.2 mailbox full",
        "bounce_classification": "Mailbox Unavailable",
    },
    Turn.SUPPRESSED: {"event": "dropped", "reason": "Bounced Address", "status": "5.0.0"},
    Turn.COMPLAINT: {"event": "spamreport"},
    Turn.OPEN: {"event": "open", "useragent": USER_AGENT, "ip": "192.0.2.2", "sg_machine_open": False},
    Turn.CLICK: {"event": "click", "useragent": USER_AGENT, "ip": "192.0.2.2", "url_offset": {"index": 0}},
}


def event(passage: Passage, turn: Turn, recipient: str, at: int, number: int, link: str = "") -> Json | None:
    """One object of the array; `at` in milliseconds, of which SendGrid tells the seconds. `number` tells events of one
    kind apart. None for a turn that SendGrid has no event for (an out-of-office reply)."""
    told = _TOLD.get(turn)
    if told is None:
        return None
    place = f"{passage.message_id}.recvd-simulator-{passage.place}-1.0"
    unique = hashlib.sha256(f"{place}\0{recipient}\0{turn.name}\0{number}".encode()).digest()[:16]
    found: Json = {
        **passage.args,  # merged at the top; SendGrid's own names win
        "email": recipient,
        "timestamp": at // 1000,
        "sg_event_id": base64.urlsafe_b64encode(unique).decode().rstrip("="),
        "sg_message_id": place,
        **told,
    }
    if turn in (Turn.SEND, Turn.DELIVERY, Turn.DELAY, Turn.BOUNCE):
        found["smtp-id"] = f"<{passage.message_id}@geopod-ismtpd-1>"
    if passage.categories:
        found["category"] = list(passage.categories)
    if turn is Turn.CLICK:
        found["url"] = link
    return found


class EventSigner:
    """Signs posts. The key is made when it is first asked for: many tests look at no event."""

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def public_key(self) -> str:
        """What posts are verified with, as SendGrid shows it: base64 of the SPKI, without PEM's armour."""
        spki = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(spki).decode()

    def headers(self, body: bytes, now: int) -> dict[str, str]:
        """The header of a post; `now` in milliseconds."""
        timestamp = str(now // 1000)
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            SIGNATURE: base64.b64encode(signature).decode(),
            TIMESTAMP: timestamp,
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
        }
