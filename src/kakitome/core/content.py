"""What a mail says, before it becomes bytes.

`Content` is the renderer's product. It is equal for every attempt and on every lane; how it becomes bytes is the
business of `mime`, how it becomes a provider's JSON that of a transport.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Charset(StrEnum):
    UTF_8 = "utf-8"
    ISO_2022_JP = "iso-2022-jp"  # only where every character survives; otherwise `mime` falls back to UTF-8


class Mailbox(msgspec.Struct, frozen=True):
    """A display name (may be empty) and an addr-spec as it was given (RFC 5322 §3.4)."""

    address: str
    name: str = ""


class Attachment(msgspec.Struct, frozen=True):
    """A file that travels with the mail; with a `content_id` it is inline and HTML refers to it as `cid:…`."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Subject, bodies, header values and attachments of one mail. At least one of `text` and `html` is set."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    subject: str
    text: str | None = None
    html: str | None = None
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    charset: Charset = Charset.UTF_8
