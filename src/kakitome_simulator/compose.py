"""Simple content of SES v2 as the mail that SES makes of it; equal content gives equal bytes."""

from __future__ import annotations

from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP

import msgspec

# "Amazon SES header fields": what only the request's own parameters may set.
RESERVED = frozenset(
    {"bcc", "cc", "content-disposition", "content-transfer-encoding", "content-type", "date", "from", "message-id"}
    | {"mime-version", "reply-to", "return-path", "sender", "subject", "to"}
)


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
    """CRLF bytes with the given fields (From, To, …) and no Date or Message-ID. Raises `ComposeError`."""
    mail = EmailMessage(policy=SMTP)
    try:
        for name, value in fields.items():
            mail[name] = value
        mail["Subject"] = content.subject.data
        for header in content.headers:
            if header.name.lower() in RESERVED:
                raise ComposeError(f"Header {header.name} may not be set.")
            mail[header.name] = header.value
        _fill(mail, content)
        _name_boundaries(mail)
        return mail.as_bytes()
    except (MessageError, ValueError, LookupError) as error:
        raise ComposeError(str(error)) from error


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
