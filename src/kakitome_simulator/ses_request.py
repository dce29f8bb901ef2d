"""What SendEmail and SendBulkEmail are asked for, and the mails that their requests become.

The names are those of the service model that the AWS SDKs ship (`sesv2`). Fields that change nothing here are not
read.
"""

from __future__ import annotations

import re
from email.utils import getaddresses
from typing import TypeVar

import msgspec

from .api_error import bad_request
from .compose import Attachment, Body, ComposeError, Header, Simple, Text, compose
from .letter import Letter, letter
from .smtp_address import is_address
from .templates import MissingAttribute, TemplateContent, Templates, data_of, filled_content

MAX_ENTRIES = 50
MAX_HEADERS = 15
INLINE_LIMIT = 1024 * 1024  # bytes: "each input JSON file can be up to 1 MB in size" with an inline template
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
INLINE = "inline"  # what a failure calls a template that has no name

_Kind = TypeVar("_Kind", "Tag", Header)


class Raw(msgspec.Struct, rename="pascal"):
    data: bytes


class Template(msgspec.Struct, rename="pascal"):
    template_name: str | None = None
    template_content: TemplateContent | None = None
    template_data: str | None = None
    headers: list[Header] = []
    attachments: list[Attachment] = []


class Content(msgspec.Struct, rename="pascal"):
    simple: Simple | None = None
    raw: Raw | None = None
    template: Template | None = None


class Destination(msgspec.Struct, rename="pascal"):
    to_addresses: list[str] = []
    cc_addresses: list[str] = []
    bcc_addresses: list[str] = []

    @property
    def everyone(self) -> list[str]:
        return self.to_addresses + self.cc_addresses + self.bcc_addresses


class Tag(msgspec.Struct, rename="pascal"):
    name: str
    value: str


class SendEmail(msgspec.Struct, rename="pascal"):
    content: Content
    from_email_address: str | None = None
    destination: Destination | None = None
    reply_to_addresses: list[str] = []
    email_tags: list[Tag] = []
    configuration_set_name: str | None = None


class ReplacementTemplate(msgspec.Struct, rename="pascal"):
    replacement_template_data: str | None = None


class ReplacementContent(msgspec.Struct, rename="pascal"):
    replacement_template: ReplacementTemplate | None = None


class Entry(msgspec.Struct, rename="pascal"):
    destination: Destination
    replacement_tags: list[Tag] = []
    replacement_email_content: ReplacementContent | None = None
    replacement_headers: list[Header] = []

    @property
    def data(self) -> str | None:
        content = self.replacement_email_content
        replaced = content.replacement_template if content is not None else None
        return replaced.replacement_template_data if replaced is not None else None


class DefaultContent(msgspec.Struct, rename="pascal"):
    template: Template | None = None


class SendBulkEmail(msgspec.Struct, rename="pascal"):
    default_content: DefaultContent
    bulk_email_entries: list[Entry]
    from_email_address: str | None = None
    reply_to_addresses: list[str] = []
    default_email_tags: list[Tag] = []
    configuration_set_name: str | None = None


def letter_of(request: SendEmail, templates: Templates) -> Letter:
    """The one mail of a request. Raises `ApiError` for what SES refuses before it looks at the account."""
    destination = request.destination or Destination()
    content = request.content
    if (content.simple is not None) + (content.raw is not None) + (content.template is not None) != 1:
        raise bad_request("Content must be one of Simple, Raw and Template.")
    if content.template is not None:
        return _rendered(request, content.template, destination, data_of(content.template.template_data), templates)
    if content.simple is not None:
        operation, data = "SendEmail", composed(request, content.simple, destination)
    else:
        assert content.raw is not None
        operation, data = "SendRawEmail", with_crlf(content.raw.data)
    return addressed(request, operation, data, destination, tags_of(request.email_tags))


def letter_of_entry(request: SendBulkEmail, entry: Entry, templates: Templates) -> Letter:
    """The mail of one entry: its tags, data and headers go before those of the request. Raises `ApiError`."""
    template = request.default_content.template
    assert template is not None
    one = SendEmail(
        Content(),
        request.from_email_address,
        entry.destination,
        request.reply_to_addresses,
        _merged(request.default_email_tags, entry.replacement_tags),
        request.configuration_set_name,
    )
    data = data_of(template.template_data) | data_of(entry.data)
    given = msgspec.structs.replace(template, headers=_merged(template.headers, entry.replacement_headers))
    if len(entry.replacement_headers) > MAX_HEADERS:
        raise bad_request(f"More than {MAX_HEADERS} headers.")
    return _rendered(one, given, entry.destination, data, templates, "SendBulkEmail")


def composed(request: SendEmail, content: Simple, destination: Destination) -> bytes:
    fields = {
        "From": request.from_email_address or "",
        "To": ", ".join(destination.to_addresses),
        "Cc": ", ".join(destination.cc_addresses),
        "Reply-To": ", ".join(request.reply_to_addresses),
    }
    if len(content.headers) > MAX_HEADERS:
        raise bad_request(f"More than {MAX_HEADERS} headers.")
    try:
        return compose(content, {name: value for name, value in fields.items() if value})
    except ComposeError as error:
        raise bad_request(str(error)) from error


def addressed(
    request: SendEmail, operation: str, data: bytes, destination: Destination, tags: dict[str, str]
) -> Letter:
    """Bytes with their envelope: what the request says goes before what the header says. Raises `ApiError`."""
    bare = letter(operation, "", (), data, tags=tags, configuration_set=request.configuration_set_name)
    sender = _addresses([request.from_email_address or bare.field("from") or ""])
    recipients = _addresses(destination.everyone or [bare.field(name) or "" for name in ("to", "cc", "bcc")])
    if len(sender) != 1 or not recipients:
        raise bad_request("A sender and at least one recipient are needed.")
    return msgspec.structs.replace(bare, reverse_path=sender[0], recipients=tuple(recipients))


def with_crlf(data: bytes) -> bytes:
    """SES takes bare line feeds too and makes them right."""
    return data if b"\n" not in data.replace(b"\r\n", b"") else data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _rendered(
    request: SendEmail,
    template: Template,
    destination: Destination,
    data: dict[str, object],
    templates: Templates,
    operation: str = "SendTemplatedEmail",
) -> Letter:
    content = template.template_content or templates.get(template.template_name or "")
    failure = None
    try:
        parts = filled_content(content, data)
    except MissingAttribute as missing:
        parts, failure = content, (template.template_name or INLINE, str(missing))
    simple = Simple(
        Text(parts.subject or ""),
        Body(*(None if part is None else Text(part) for part in (parts.text, parts.html))),
        template.headers,
        template.attachments,
    )
    made = composed(request, simple, destination)
    sent = addressed(request, operation, made, destination, tags_of(request.email_tags))
    return msgspec.structs.replace(sent, rendering_failure=failure)


def _merged(defaults: list[_Kind], own: list[_Kind]) -> list[_Kind]:
    names = {one.name.lower() for one in own}
    return [one for one in defaults if one.name.lower() not in names] + own


def tags_of(tags: list[Tag]) -> dict[str, str]:
    """Raises `ApiError`."""
    found = {tag.name: tag.value for tag in tags}
    for text in [*found, *found.values()]:
        if not _TAG.fullmatch(text):
            raise bad_request(f"Invalid tag name or value: {text[:256]}")
    return found


def _addresses(texts: list[str]) -> list[str]:
    """The addresses of the texts, without names. Raises `ApiError` unless each is one that SES can write to."""
    addresses = [address for _, address in getaddresses(texts) if address]
    for address in addresses:
        if not is_address(address):
            raise bad_request(f"{address[:320]} is not a valid address")
    return list(dict.fromkeys(addresses))
