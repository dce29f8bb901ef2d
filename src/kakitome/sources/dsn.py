"""What mail servers report about a mail that they could not, or could, deliver: RFC 3464 to events, without any I/O.

A report belongs to an attempt by the envelope id that the SMTP lane gave with it (RFC 3461), and where that was lost,
to a message by the Message-ID in what came back of the mail, which derives from the message's id. Nothing in a report
proves who wrote it: `dsn_intake` believes it only about a mail of ours whose recipient it names.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

import msgspec

from kakitome.core.bounce import classify_bounce
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.reply import printable
from kakitome.core.xtext import from_xtext
from kakitome.sources import not_of_tomorrow
from kakitome.sources.dsn_report import Fields, Report, open_report

PROVIDER: Final = "smtp"

ACTIONS: Final[dict[str, EventKind]] = {  # RFC 3464 §2.3.3
    "failed": EventKind.BOUNCED,
    "delayed": EventKind.DELAYED,
    "delivered": EventKind.DELIVERED,
    "relayed": EventKind.SENT,  # it went on to a server that does not report: taken, and no more is known
    "expanded": EventKind.SENT,  # it went to more than one, whose reports come on their own
}

_ENVELOPE_ID: Final = re.compile(r"(msg_[0-9a-z]{1,13})\.([0-9]{1,18})")
_MESSAGE_ID: Final = re.compile(r"<(msg_[0-9a-z]{1,13})@[^<>@\s]+>")
_STATUS: Final = re.compile(r"\b([245])\.([0-9]{1,3})\.([0-9]{1,3})\b")
_ADDRESS_LIMIT: Final = 512
_YEAR_2000: Final = 946_684_800_000
_ZONES: Final = 86_400_000  # ms: a time zone that was forgotten, at most


class Reported(msgspec.Struct, frozen=True):
    """An event, and everybody whom the report names as its recipient: where the mail ended, whom it was written to, and
    whom the header of what came back has."""

    event: Event
    readers: frozenset[str]


def parse_dsn(raw: bytes, now_ms: int) -> list[Reported]:
    """The events in one delivery report, one for each recipient that it names, in its order.

    An action that RFC 3464 does not know becomes an `UNKNOWN` event. `now_ms` stands in where the report gives no time.
    Raises `EventUnreadable`, and of it `NotAReport` for a mail of another kind; nothing else, whatever `raw` is.
    """
    report = open_report(raw)
    header = _written_to(report)
    return [Reported(_event(report, fields, now_ms), header | _named(fields)) for fields in report.recipients]


def _event(report: Report, fields: Fields, now_ms: int) -> Event:
    kind = ACTIONS.get(fields["action"].partition(" ")[0].lower(), EventKind.UNKNOWN)
    message, attempt, envelope = _correlation(report)
    diagnostic = _typed(fields.get("diagnostic-code", ""))
    status = _status(fields, diagnostic)
    permanence, why = _judged(kind, status, diagnostic)
    return Event(
        key=_key(report, fields, envelope),
        kind=kind,
        at=_at(report, fields, now_ms),
        provider=PROVIDER,
        provider_message_id=printable(envelope, _ADDRESS_LIMIT),
        recipient=_recipient(fields),
        message=message,
        attempt=attempt,
        permanence=permanence,
        bounce_class=why,
        diagnostic=diagnostic or status or "",
        raw=msgspec.Raw(msgspec.json.encode({"about": report.about, "recipient": fields})),
    )


def _correlation(report: Report) -> tuple[str | None, str | None, str]:
    """Our message and attempt, and the words that name them, whosever they are."""
    envelope = from_xtext(report.about.get("original-envelope-id", ""))
    if named := _ENVELOPE_ID.fullmatch(envelope):
        return named[1], named[2], envelope
    returned = report.returned.get("message-id", "")
    known = _MESSAGE_ID.fullmatch(returned)
    return known[1] if known else None, None, envelope or returned


def _status(fields: Fields, diagnostic: str) -> str | None:
    """The status field; where it says nothing but the class, the code of the server that refused."""
    given = _STATUS.search(fields.get("status", ""))
    if given is not None and (given[2], given[3]) != ("0", "0"):
        return given[0]
    said = _STATUS.search(diagnostic)
    if said is not None and (given is None or said[1] == given[1]):
        return said[0]
    return given[0] if given else None


def _judged(kind: EventKind, status: str | None, diagnostic: str) -> tuple[Permanence | None, BounceClass | None]:
    return classify_bounce(None, None, status, diagnostic) if kind is EventKind.BOUNCED else (None, None)


def _recipient(fields: Fields) -> str | None:
    """Whom we wrote to, where the report still knows; else who it came to in the end."""
    final, original = _typed(fields.get("final-recipient", "")), _typed(fields.get("original-recipient", ""))
    if original and original.lower() != final.lower():
        original = from_xtext(original)
    return printable((original or final).strip("<>"), _ADDRESS_LIMIT) or None


def _named(fields: Fields) -> frozenset[str]:
    """The recipients in both spellings, as some servers write an original one as it was and some in xtext."""
    given = (_typed(fields.get(f"{which}-recipient", "")) for which in ("final", "original"))
    return frozenset(text.strip("<>") for one in given if one for text in (one, from_xtext(one)))


def _written_to(report: Report) -> frozenset[str]:
    fields = [report.returned[name] for name in ("to", "cc") if name in report.returned]
    return frozenset(address for _, address in getaddresses(fields) if address)


def _typed(value: str) -> str:
    """`rfc822; someone@example.com` without its type (RFC 3464 §2.1.2)."""
    kind, parted, rest = value.partition(";")
    return rest.strip() if parted and re.fullmatch(r"\s*[\w-]+\s*", kind) else value.strip()


def _at(report: Report, fields: Fields, now_ms: int) -> int:
    for text in (fields.get("last-attempt-date"), report.head.get("date"), report.about.get("arrival-date")):
        try:
            moment = parsedate_to_datetime(text or "")
            at = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if _YEAR_2000 <= at <= now_ms + _ZONES:
            return not_of_tomorrow(at, now_ms)
    return now_ms


def _key(report: Report, fields: Fields, envelope: str) -> str:
    """Equal for copies of a report, whichever way they come: it is named by its own Message-ID, else by its words."""
    own = report.head.get("message-id") or msgspec.json.encode([report.about, sorted(fields.items())]).decode()
    recipient = _typed(fields.get("final-recipient", "")).lower()
    parts = "\0".join([fields["action"].lower(), recipient, envelope, own])
    return f"{PROVIDER}:{hashlib.sha256(parts.encode('utf-8', 'replace')).hexdigest()[:40]}"
