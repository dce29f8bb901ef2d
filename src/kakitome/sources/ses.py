"""What Amazon SES tells about a mail: notifications to events, without any I/O.

One notification becomes one event for each recipient that it is about, and those stand in `bouncedRecipients`,
`complainedRecipients`, `delayedRecipients` or `delivery.recipients`; `mail.destination` lists everybody who was
written to, and is asked only where SES names nobody else.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from kakitome.core.bounce import classify_bounce
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.reply import printable
from kakitome.sources import EventUnreadable, not_of_tomorrow
from kakitome.sources.ses_notice import KINDS, Detail, Mail, Notice, Recipient, milliseconds, open_notice, unreadable

PROVIDER: Final = "ses"
MESSAGE_TAG: Final = "kakitome_message"
ATTEMPT_TAG: Final = "kakitome_attempt"

RECIPIENTS_LIMIT: Final = 1_000
"""SES takes 50 a message. Above this, somebody plays with us."""

# Where a type names whom it is about. The other types are about everybody in `mail.destination` …
_NAMED_IN: Final = {
    "Bounce": "bounced_recipients",
    "Complaint": "complained_recipients",
    "DeliveryDelay": "delayed_recipients",
    "Delivery": "recipients",
}
# … but for those about one reader: which one of several, SES does not say.
_ABOUT_ALL: Final = frozenset({"Send", "Reject", "Rendering Failure"})

_TAG_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")  # what SES allows in a tag; anything else is not ours
_ADDRESS_LIMIT: Final = 512
_LINK_LIMIT: Final = 4096


def parse_ses(message: bytes | str, now_ms: int) -> list[Event]:
    """The events in one SES notification, in its own order; none in the greeting of a newly connected topic.

    A type that SES adds tomorrow becomes an `UNKNOWN` event with everything in `raw`. `now_ms` stands in where an
    unknown type gives no time. Raises `EventUnreadable` for anything that is not an SES notification.
    """
    notice = open_notice(message)
    return [] if notice is None else [_event(notice, recipient, now_ms) for recipient in _recipients(notice)]


def _recipients(notice: Notice) -> list[Recipient] | list[None]:
    """Whom the notice is about. One `None` where SES does not say: the event itself must not get lost."""
    destination = notice.mail.destination or []
    if notice.name in _NAMED_IN:
        listed = getattr(notice.detail, _NAMED_IN[notice.name]) or []
    else:
        listed = destination if notice.name in _ABOUT_ALL or len(destination) == 1 else []
    if len(listed) > RECIPIENTS_LIMIT:
        raise unreadable("an SES notification of reasonable size")
    return [Recipient(entry) if isinstance(entry, str) else entry for entry in listed] or [None]


def _event(notice: Notice, recipient: Recipient | None, now_ms: int) -> Event:
    detail, mail = notice.detail, notice.mail
    address = _bare_address(recipient.email_address) if recipient else None
    permanence, why = _judged(notice, recipient)
    link = printable(detail.link, _LINK_LIMIT) if detail.link else None
    return Event(
        key=_key(notice, address, link),
        kind=notice.kind,
        at=_at(notice, now_ms),
        provider=PROVIDER,
        provider_message_id=printable(mail.message_id, _ADDRESS_LIMIT),
        recipient=address,
        message=_tag(mail, MESSAGE_TAG),
        attempt=_tag(mail, ATTEMPT_TAG),
        permanence=permanence,
        bounce_class=why,
        complaint=_complaint(notice),
        diagnostic=_diagnostic(detail, recipient),
        link=link,
        raw=msgspec.Raw(notice.raw),
    )


def _judged(notice: Notice, recipient: Recipient | None) -> tuple[Permanence | None, BounceClass | None]:
    detail = notice.detail
    if notice.kind is EventKind.BOUNCED:
        status, words = (recipient.status, recipient.diagnostic_code) if recipient else (None, None)
        return classify_bounce(detail.bounce_type or "", detail.bounce_sub_type, status, printable(words or ""))
    if notice.name == "Complaint" and notice.kind is EventKind.REJECTED:
        return None, BounceClass.SUPPRESSED
    return None, None


def _complaint(notice: Notice) -> str | None:
    if notice.kind is not EventKind.COMPLAINED or notice.detail.complaint_feedback_type is None:
        return None
    return printable(notice.detail.complaint_feedback_type, 64).lower()


def _diagnostic(detail: Detail, recipient: Recipient | None) -> str:
    """The far side's own words, for people: the first of these that it gave."""
    of_recipient = (recipient.diagnostic_code, recipient.status) if recipient else ()
    of_all = (detail.smtp_response, detail.reason, detail.error_message, detail.delay_type, detail.user_agent)
    return printable(next((text for text in (*of_recipient, *of_all) if text), ""))


def _key(notice: Notice, address: str | None, link: str | None) -> str:
    """Equal for copies, also where one came as `eventType` and the other as `notificationType`.

    Hashed: keys go into logs, and an address has no business there.
    """
    detail, mail = notice.detail, notice.mail
    if notice.kind is EventKind.UNKNOWN:
        happening = [hashlib.sha256(notice.raw).hexdigest()]
    elif detail.feedback_id:
        happening = [detail.feedback_id]
    else:
        happening = [mail.message_id, detail.timestamp or mail.timestamp or "", link or ""]
    parts = "\0".join([notice.name, (address or "").lower(), *happening])
    return f"{PROVIDER}:{hashlib.sha256(parts.encode('utf-8', 'replace')).hexdigest()[:40]}"


def _at(notice: Notice, now_ms: int) -> int:
    return not_of_tomorrow(_told_at(notice, now_ms), now_ms)


def _told_at(notice: Notice, now_ms: int) -> int:
    text = notice.detail.timestamp or notice.mail.timestamp
    if notice.name not in KINDS:
        try:
            return milliseconds(text) if text else now_ms
        except EventUnreadable:
            return now_ms
    if not text:
        raise unreadable("an SES event with its time")
    return milliseconds(text)


def _bare_address(text: str) -> str:
    """`Jane <jane@example.com>`, as some destinations have it, without the name."""
    _, opened, inner = text.rpartition("<")
    return printable(inner.partition(">")[0] if opened else text, _ADDRESS_LIMIT)


def _tag(mail: Mail, name: str) -> str | None:
    value = next(iter((mail.tags or {}).get(name, ())), "")
    return value if _TAG_VALUE.fullmatch(value) else None
