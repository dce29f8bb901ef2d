"""A mail as a person puts it into a table: `{mail_id, subject, body}`, and `from` where it is another than usual."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kakitome.core.errors import Refused
from kakitome.core.template import TemplateSource

_ELEMENTS: Final = (
    "html|head|body|title|style|meta|link|p|br|hr|div|span|a|b|i|u|em|strong|small|font|center|img|table|thead|tbody|"
    "tr|td|th|ul|ol|li|dl|dt|dd|h[1-6]|pre|blockquote|section|article|header|footer|main"
)
_MARKUP: Final = re.compile(rf"<(?:!doctype\s+html|/?(?:{_ELEMENTS})(?:\s[^<>]*=[^<>]*)?\s*/?)>", re.IGNORECASE)


def is_html(body: str) -> bool:
    """Whether a body has an element of HTML in it. "a < b" and `<someone@example.com>` are none."""
    return _MARKUP.search(body) is not None


def template_of(mail_id: str, item: Mapping[str, object], sender: str | None) -> TemplateSource:
    """The item as a template of that name, `sender` being the one that is taken where the item names none.

    Raises `Refused` where something is not there, before anybody could get half a mail.
    """
    sender = _text(mail_id, item, "from") or sender
    if not sender:
        raise Refused(
            f"The mail {mail_id!r} has no `from`, and no other sender is known. Nothing was sent.",
            'Give the item a `from`, "Shop <news@example.com>", or deploy the stack with `sender`.',
        )
    subject, body = (_text(mail_id, item, name) for name in ("subject", "body"))
    for name, value in (("subject", subject), ("body", body)):
        if not value.strip():
            raise Refused(
                f"The mail {mail_id!r} has no {name}. Nothing was sent.",
                "The item needs mail_id, subject and body, each a string (S).",
            )
    html = is_html(body)
    return TemplateSource(
        name=mail_id, sender=sender, subject=subject, html=body if html else None, text=None if html else body
    )


def _text(mail_id: str, item: Mapping[str, object], name: str) -> str:
    value = item.get(name, "")
    if not isinstance(value, str):
        raise Refused(f"`{name}` of the mail {mail_id!r} is no string. Nothing was sent.", "Write it as a string (S).")
    return value
