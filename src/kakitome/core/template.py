"""What is a template, before it is compiled?"""

from __future__ import annotations

import hashlib

import msgspec

from kakitome.core.content import Charset, Mailbox


class TemplateSource(msgspec.Struct, frozen=True, kw_only=True):
    """A template as its author wrote it; one version never changes. It has a subject and at least one body.

    `sender` is a mailbox or `Name <address>`, whose name may hold variables. Of `html` and `mjml` at most one is set;
    without `text` it is derived from them. `charset` ISO-2022-JP is for readers of old; a row that it cannot hold goes
    out in UTF-8. `version` (from 1) and `created_at` (milliseconds) are the store's.
    """

    name: str
    sender: Mailbox | str
    subject: str
    html: str | None = None
    mjml: str | None = None
    text: str | None = None
    charset: Charset = Charset.UTF_8
    version: int = 0
    created_at: int = 0


def digest(source: TemplateSource) -> str:
    """SHA-256 of what the template says, in hex: equal for two versions that would send the same mails.

    Name, version and time do not count, so that putting the same files again need not make a new version.
    """
    sender = source.sender if isinstance(source.sender, str) else [source.sender.name, source.sender.address]
    said = [sender, source.subject, source.html, source.mjml, source.text, source.charset]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()
