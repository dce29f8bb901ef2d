"""Simple content of SES v2 as the mail that SES makes of it; equal content gives equal bytes."""

from __future__ import annotations

import re
from email.errors import MessageError
from email.header import Header as EncodedHeader
from email.message import EmailMessage
from email.policy import SMTP

import msgspec

# "Amazon SES header fields": what only the request's own parameters may set.
RESERVED = frozenset(
    {"bcc", "cc", "content-disposition", "content-transfer-encoding", "content-type", "date", "from", "message-id"}
    | {"mime-version", "reply-to", "return-path", "sender", "subject", "to"}
)


_NAME = re.compile(r"[!-9;-~]{1,126}")
_VALUE = re.compile(r"[ -~]{1,995}")


class ComposeError(ValueError):
    """The content cannot become a mail; the text is for the API's client."""


class Text(msgspec.Struct, rename="pascal"):
    data: str
    charset: str | None = None


class Body(msgspec.Struct, rename="pascal"):
    text: Text | None = None
    html: Text | None = None


class Header(msgspec.Struct, rename="pascal"):
    name: str
    value: str


class Attachment(msgspec.Struct, rename="pascal"):
    raw_content: bytes
    file_name: str
    content_type: str | None = None
    content_disposition: str | None = None  # ATTACHMENT | INLINE
    content_description: str | None = None
    content_id: str | None = None
    content_transfer_encoding: str | None = None


class Simple(msgspec.Struct, rename="pascal"):
    """`Message` of the service model."""

    subject: Text
    body: Body
    headers: list[Header] = []
    attachments: list[Attachment] = []


def compose(content: Simple, fields: dict[str, str]) -> bytes:
    """CRLF bytes with the given fields (From, To, …) and no Date or Message-ID. Raises `ComposeError`.

    Values are taken as they are given, as SES takes them: only the subject is encoded here.
    """
    for header in content.headers:
        if header.name.lower() in RESERVED:
            raise ComposeError(f"Header {header.name} may not be set.")
    head = [*fields.items(), *((header.name, header.value) for header in content.headers)]
    try:
        subject = _subject(content.subject.data)
        mail = EmailMessage(policy=SMTP)
        _fill(mail, content)
        _name_boundaries(mail)
        return b"".join(_field(*each) for each in head) + f"Subject: {subject}\r\n".encode("ascii") + mail.as_bytes()
    except (MessageError, ValueError, LookupError) as error:
        raise ComposeError(str(error)) from error


def _subject(text: str) -> str:
    if "\r" in text or "\n" in text:
        raise ComposeError("The subject has a line break.")
    return EncodedHeader(text, None if text.isascii() else "utf-8", header_name="Subject").encode(linesep="\r\n")


def _field(name: str, value: str) -> bytes:
    """One field on one line. "`MessageHeader` values are printable ASCII", at most 995, with the name 996."""
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or len(name) + len(value) > 996:
        raise ComposeError(f"Header {name[:126]} must be at most 995 characters of printable ASCII.")
    return f"{name}: {value}\r\n".encode("ascii")


def _fill(mail: EmailMessage, content: Simple) -> None:
    text, html = content.body.text, content.body.html
    if text is not None:
        mail.set_content(text.data)
        if html is not None:
            mail.add_alternative(html.data, subtype="html")
    elif html is not None:
        mail.set_content(html.data, subtype="html")
    else:
        raise ComposeError("A body needs Text or Html.")
    for attachment in content.attachments:
        kind, _, subtype = (attachment.content_type or "application/octet-stream").partition("/")
        mail.add_attachment(
            attachment.raw_content,
            maintype=kind,
            subtype=subtype,
            filename=attachment.file_name,
            disposition=(attachment.content_disposition or "attachment").lower(),
            cid=f"<{attachment.content_id}>" if attachment.content_id else None,
        )


def _name_boundaries(mail: EmailMessage) -> None:
    """The library draws boundaries by chance; two requests with the same content must have the same hash."""
    for place, part in enumerate(mail.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_kakitome_simulator_{place}")
