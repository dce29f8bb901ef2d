"""Alerts for programs: `{type, id, at, data}`, signed as Standard Webhooks say (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import msgspec

from kakitome.core.alert import Alert
from kakitome.core.ids import to_text
from kakitome.observe.post import post
from kakitome.observe.wording import Text


class Webhook:
    """A channel. Its id is the same at every try, so that a receiver can tell a repetition."""

    def __init__(self, url: str, secret: bytes) -> None:
        self._url = url
        self._secret = secret

    async def tell(self, text: Text, alert: Alert, part: str, now: int) -> str:
        body = msgspec.json.encode(payload(text, alert, part))
        return await post(self._url, body, headers(self._secret, f"{alert_text(alert.id)}.{part}", now // 1000, body))


def alert_text(id: int) -> str:
    return to_text("alr", id)


def payload(text: Text, alert: Alert, part: str) -> dict[str, Any]:
    at = alert.raised if part == "raised" or alert.ended is None else alert.ended
    return {"type": f"alert.{part}", "id": alert_text(alert.id), "at": iso(at), "data": described(alert, text)}


def described(alert: Alert, text: Text) -> dict[str, Any]:
    """An alert for programs, with the words for people. Also what the API answers."""
    return {
        "kind": alert.kind,
        "level": alert.level,
        "title": text.title,
        "facts": [{"label": label, "value": value} for label, value in text.facts],
        "press": list(text.press),
        "owners": list(alert.facts.owners),
        "why": alert.facts.why or None,
        "accounts": list(alert.facts.causes),
        "since": iso(alert.since),
        "raised": iso(alert.raised),
        "ended": None if alert.ended is None else iso(alert.ended),
    }


def headers(secret: bytes, id: str, seconds: int, body: bytes) -> dict[str, str]:
    signed = hmac.new(secret, f"{id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def secret_key(secret: str) -> bytes:
    """`whsec_` and base64, as the specification has it; anything else is the key itself."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
