"""A single mail, handed in with its own subject and bodies, becomes content without a template."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from kakitome.core.content import Attachment, Charset, Content, Mailbox
from kakitome.core.errors import ContentError
from kakitome.core.mime import mime
from kakitome.rendering.part import OUTPUT_LIMIT
from kakitome.rendering.plain import html_to_text


def plain_content(
    *,
    sender: Mailbox,
    to: Sequence[Mailbox],
    subject: str,
    text: str | None = None,
    html: str | None = None,
    cc: Sequence[Mailbox] = (),
    reply_to: Sequence[Mailbox] = (),
    headers: Sequence[tuple[str, str]] = (),
    attachments: Sequence[Attachment] = (),
    charset: Charset = Charset.UTF_8,
) -> Content:
    """Nothing is filled in and no CSS is touched; a text is derived from html where there is none.

    Raises HeaderError, AddressError or ContentError for whatever `mime` would refuse later: what passes here can be
    sent.
    """
    for name, given in (("text", text), ("html", html)):
        if given is not None and len(given) > OUTPUT_LIMIT:
            raise ContentError(f"The {name} is longer than {OUTPUT_LIMIT // 1024} KiB.", "Send a link to it.")
    if text is None and html is not None:
        text = html_to_text(html) + "\n"
    content = Content(
        sender=sender,
        to=tuple(to),
        subject=subject,
        text=text,
        html=html,
        cc=tuple(cc),
        reply_to=tuple(reply_to),
        headers=tuple(headers),
        attachments=tuple(attachments),
        charset=charset,
    )
    empty_files = tuple(replace(item, content=b"") for item in attachments)
    mime(replace(content, attachments=empty_files), message_id="<check@localhost>", date=datetime.fromtimestamp(0, UTC))
    return content
