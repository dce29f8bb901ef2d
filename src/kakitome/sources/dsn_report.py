"""A delivery report (RFC 3464), opened: its groups of fields, and nothing read into them yet.

Anybody may send one, so whatever is in it may be nonsense; the standard library's parser takes all of it without an
error, and notes what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import CloseBoundaryNotFoundDefect, StartBoundaryNotFoundDefect
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import compat32
from typing import ClassVar, Final, TypeAlias

import msgspec

from kakitome.core.reply import printable
from kakitome.sources import EventUnreadable

REPORT_LIMIT: Final = 5 * 1024 * 1024
"""Bytes. We ask for headers only (`RET=HDRS`), but nobody has to listen."""

RECIPIENTS_LIMIT: Final = 100
"""Each of our mails has one recipient, who may be an alias for some. Above this, somebody plays with us."""

FIELD_LIMIT: Final = 2_000

Fields: TypeAlias = dict[str, str]
"""Names in lower case; values on one line. Of a field that is there twice, the first."""

_REPORTS: Final = ("message/delivery-status", "message/global-delivery-status")  # RFC 3464, RFC 6533
_RETURNED: Final = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_BLANK: Final = re.compile(r"\r?\n[ \t]*\r?\n")


class NotAReport(EventUnreadable):
    """It is a mail, and none about a delivery: an out-of-office notice, a question, spam. It says nothing of an address
    and bounces nothing."""

    slug: ClassVar[str] = "not-a-report"


class Report(msgspec.Struct, frozen=True):
    """`about` are the fields about the mail, `recipients` those about each recipient, `returned` the header fields of
    our mail that came back, `head` those of the report itself."""

    about: Fields
    recipients: list[Fields]
    returned: Fields
    head: Fields


def open_report(raw: bytes) -> Report:
    """The report in a mail. Raises `NotAReport` where it is another kind of mail, and `EventUnreadable` where it is cut
    off, too large, or lacks what RFC 3464 requires."""
    if len(raw) > REPORT_LIMIT:
        raise _unreadable("It is larger than any report")
    try:
        mail = BytesParser(policy=compat32).parsebytes(raw)
        return _opened(mail)
    except EventUnreadable:
        raise
    except Exception as error:  # the parser promises none, and depth, charsets and dates have broken that before
        raise _unreadable("It cannot be taken apart") from error


def _opened(mail: Message) -> Report:
    head = fields_of(mail)
    if mail.get_content_type() != "multipart/report" or _report_type(mail) != "delivery-status":
        auto = head.get("auto-submitted", "no").lower() != "no"
        what = "It is an automatic answer" if auto else "It is a mail"
        raise NotAReport(f"{what} and no delivery report.", "Nothing to do: it bounces nothing.")
    broken = (CloseBoundaryNotFoundDefect, StartBoundaryNotFoundDefect)
    parts = _parts(mail)
    if any(isinstance(defect, broken) for defect in mail.defects) or not parts:
        raise _unreadable("It is cut off")
    groups = [group for part in parts if part.get_content_type() in _REPORTS for group in _groups(part)]
    about, recipients = (groups[0], groups[1:]) if groups else ({}, [])
    if "final-recipient" in about and "action" in about:  # whoever forgot the group about the mail
        about, recipients = {}, groups
    recipients = [one for one in recipients if "action" in one]
    if not recipients:
        raise _unreadable("It names no recipient and what happened")
    if len(recipients) > RECIPIENTS_LIMIT:
        raise _unreadable("It names more recipients than any mail of ours has")
    returned = next((_returned(part) for part in parts if part.get_content_type() in _RETURNED), {})
    return Report(about, recipients, returned, head)


def _report_type(mail: Message) -> str:
    found = mail.get_param("report-type", "")
    return found.lower() if isinstance(found, str) else ""


def _parts(mail: Message) -> list[Message]:
    inner = mail.get_payload()
    return [part for part in inner if isinstance(part, Message)] if isinstance(inner, list) else []


def _groups(part: Message) -> Iterator[Fields]:
    """The parser makes a message of each group; what it did not take apart (RFC 6533) is cut at blank lines."""
    for group in _parts(part):
        if fields := fields_of(group):
            yield fields
        rest = group.get_payload()
        for text in _BLANK.split(rest) if isinstance(rest, str) else []:
            if fields := fields_of(HeaderParser(policy=compat32).parsestr(text)):
                yield fields


def _returned(part: Message) -> Fields:
    if inner := _parts(part):
        return fields_of(inner[0])
    text = part.get_payload(decode=True)
    return fields_of(BytesParser(policy=compat32).parsebytes(text)) if isinstance(text, bytes) else {}


def fields_of(mail: Message) -> Fields:
    fields: Fields = {}
    for name, value in mail.items():
        fields.setdefault(name.lower(), printable(str(value), FIELD_LIMIT))
    return fields


def _unreadable(what: str) -> EventUnreadable:
    return EventUnreadable(f"{what}, so what it says of the mail is not known.", "It is kept; look at it by hand.")
