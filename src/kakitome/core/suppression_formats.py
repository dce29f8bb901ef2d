"""What other providers' suppression lists say of an address, in the words of their exports.

ses        the account-level list: `aws sesv2 list-suppressed-destinations`, and the files of its import and export
sendgrid   bounces, spam reports, unsubscribes, invalid addresses, blocks: the API's JSON and the console's CSV
mandrill   the rejection denylist, `rejects/list` and its export

Reasons become ours. What the provider itself would send to again (an entry that has expired, a block) is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import msgspec

from kakitome.core.errors import ListError

Format: TypeAlias = Literal["ses", "sendgrid", "mandrill"]


class Told(msgspec.Struct, frozen=True):
    """What a row says; `at` in milliseconds, None where it gives no time."""

    address: str
    reason: str
    at: int | None
    note: str


class PassedOver(msgspec.Struct, frozen=True):
    why: str


_ADDRESS: Final = ("email_address", "email", "address", "recipient")
_AT: Final = ("last_update_time", "last_updated_time", "created_at", "created", "at")

_SES: Final = {"bounce": "bounce", "complaint": "complaint"}
_MANDRILL: Final = {
    "hard-bounce": "bounce",
    "soft-bounce": "transient",
    "spam": "complaint",
    "unsub": "unsubscribe",
    "custom": "manual",
}
# The file's name says which list it is: their rows do not.
_SENDGRID: Final = (
    (re.compile(r"spam", re.IGNORECASE), "complaint"),
    (re.compile(r"unsub", re.IGNORECASE), "unsubscribe"),
    (re.compile(r"block", re.IGNORECASE), None),
    (re.compile(r"invalid|bounce", re.IGNORECASE), "bounce"),
)


def told(format: Format, row: Mapping[str, str], file: str, now: int) -> Told | PassedOver:
    """What `row` says, its names as `plain_name` makes them; `file` is the list's file name. Raises `ListError` for a
    row that is none of this format."""
    address = next((row[name] for name in _ADDRESS if row.get(name)), None)
    if address is None:
        raise ListError("The row has no address.")
    at = next((when for name in _AT if (when := milliseconds(row.get(name, ""))) is not None), None)
    if format == "ses":
        return Told(address, _of(_SES, row, "SES"), at, "")
    if format == "mandrill":
        return _mandrill(address, row, at, now)
    return _sendgrid(address, row, file, at)


def _mandrill(address: str, row: Mapping[str, str], at: int | None, now: int) -> Told | PassedOver:
    until = milliseconds(row.get("expires_at", ""))
    if row.get("expired", "").lower() in ("true", "1", "yes") or (until is not None and until <= now):
        return PassedOver("expired")
    return Told(address, _of(_MANDRILL, row, "Mandrill"), at, row.get("detail", ""))


def _sendgrid(address: str, row: Mapping[str, str], file: str, at: int | None) -> Told | PassedOver:
    said = "bounce" if row.get("status") or row.get("reason") else ""
    reason = next((reason for pattern, reason in _SENDGRID if pattern.search(file)), said)
    if reason is None:
        return PassedOver("a block, which is for one mail")
    if not reason:
        what = "Neither the row nor the file's name says which of SendGrid's lists it is."
        raise ListError(what, "Name the file after its list: bounces, spam_reports, unsubscribes, invalid_emails.")
    return Told(address, reason, at, _words(row))


def _words(row: Mapping[str, str]) -> str:
    return " ".join(text for text in (row.get("status", ""), row.get("reason", "")) if text)


def _of(words: Mapping[str, str], row: Mapping[str, str], whose: str) -> str:
    given = row.get("reason", row.get("suppression_reason", "")).strip().lower().replace("_", "-")
    if given not in words:
        raise ListError(f"{given!r} is no reason that {whose} gives.", f"It has {', '.join(words)}.")
    return words[given]


def plain_name(name: str) -> str:
    """`EmailAddress`, `Email address` and `email_address` are one name."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\W_]+", "_", parted).strip("_").lower()


def milliseconds(text: str) -> int | None:
    """A time as exports write it: Unix seconds, or ISO 8601, which is UTC where it names no offset."""
    try:
        if re.fullmatch(r"[0-9]{9,11}(\.[0-9]+)?", text.strip()):
            return round(float(text) * 1000)
        moment = datetime.fromisoformat(text.strip())
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
