"""Why did an attempt end as it did? A word to group by, and a sentence for people."""

from __future__ import annotations

from typing import Any

import msgspec

from kakitome.core.lifecycle import Cause
from kakitome.core.message import AttemptView


class Reason(msgspec.Struct, frozen=True):
    """`key` is made of a-z, 0-9 and hyphens and is the same for equal reasons; `sentence` is the answer's own text
    where there was an answer."""

    key: str
    sentence: str


_OF_CAUSE: dict[Cause, Reason] = {
    Cause.WORKER_GONE_MARKED: Reason("worker-gone", "The worker ended while the mail was on the wire."),
    Cause.LEASE_OVER: Reason("lease-over", "The worker said nothing any more."),
}
UNTRIED = Reason("untried", "It was never tried.")
OPEN = Reason("open", "It is being tried.")


def reason(attempt: AttemptView | None) -> Reason:
    """The reason in an attempt's outcome; `UNTRIED` without one, `OPEN` while it lasts. Never raises: an outcome that
    cannot be read is named by its cause."""
    if attempt is None:
        return UNTRIED
    told = _told(attempt.outcome)
    kind = str(told.get("outcome", ""))
    answer = told.get("reply")
    if kind == "unrenderable":
        return Reason(_key(kind, told.get("error")), str(told.get("what", "")))
    if kind == "unavailable":
        return Reason(_key(told.get("reason")), _answer(answer) or str(told.get("reason", "")))
    if kind in ("deferred", "rejected") and isinstance(answer, dict):
        return Reason(_key(kind, answer.get("code")), _answer(answer))
    if kind == "uncertain":
        return Reason("no-reply", _silence(str(told.get("reason", ""))))
    if kind == "accepted":
        return Reason(kind, _answer(answer))
    if attempt.cause is None:
        return OPEN
    return _OF_CAUSE.get(attempt.cause) or Reason(_key(attempt.cause), f"It ended as {attempt.cause.value}.")


_SILENCES: dict[str, str] = {
    "timeout": "No reply came in time.",
    "connection_lost": "The connection broke before the reply.",
    "truncated": "The reply broke off.",
    "unreadable": "The reply could not be read.",
    "unreadable_reply": "The reply could not be read.",
    "too_long": "The reply was too long to be one.",
    "no_message_id": "The provider said yes and named no message id.",
    "no_outcome": "Kakitome lost sight of it by a mistake of its own.",
}


def _silence(slug: str) -> str:
    """Why there was no valid reply, as a sentence. `http_503` and `error:NAME` carry their own figure or name."""
    if slug.startswith("http_"):
        return f"The provider answered HTTP {slug[5:]}, which does not say whether it took the mail."
    if slug.startswith("error:"):
        return f"Kakitome tripped over an error of its own ({slug[6:]}) while the mail was on the wire."
    return _SILENCES.get(slug, "No valid reply came.")


def _told(outcome: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(outcome)
    except msgspec.DecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _answer(reply: object) -> str:
    if not isinstance(reply, dict):
        return ""
    code = reply.get("code") or ""
    return f"{code} {reply.get('text', '')}".strip()


def _key(*parts: object) -> str:
    return "-".join(str(part).lower().replace("_", "-") for part in parts if part)
