"""Single mails without a template."""

from __future__ import annotations

from typing import Any

import pytest

from kakitome.core.content import Attachment, Charset, Mailbox
from kakitome.core.errors import AddressError, ContentError, HeaderError, Refused
from kakitome.rendering import plain_content

SENDER = Mailbox("info@example.com", "書留")
READER = Mailbox("taro@example.org")


def test_braces_are_only_braces() -> None:
    """What is not a template is not filled in."""
    content = plain_content(sender=SENDER, to=[READER], subject="{{ x }}", text="{% y %}", charset=Charset.ISO_2022_JP)
    assert (content.subject, content.text, content.html) == ("{{ x }}", "{% y %}", None)
    assert content.charset is Charset.ISO_2022_JP


def test_a_text_is_derived_where_there_is_none() -> None:
    """And only there."""
    html = "<p>Hello <b>you</b></p>"
    assert plain_content(sender=SENDER, to=[READER], subject="s", html=html).text == "Hello you\n"
    assert plain_content(sender=SENDER, to=[READER], subject="s", html=html, text="t").text == "t"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject": "a\r\nBcc: b@example.com"}, HeaderError),
        ({"headers": [("Bcc", "b@example.com")]}, HeaderError),
        ({"to": [Mailbox("nobody")]}, AddressError),
        ({"cc": [Mailbox("a@example.com", "a\nb")]}, HeaderError),
        ({"reply_to": [Mailbox("a@example.com, b@example.com")]}, AddressError),
        ({"text": None}, ContentError),
        ({"text": "x" * 1_100_000}, ContentError),
        ({"attachments": [Attachment("x", "nonsense", b"")]}, ContentError),
    ],
)
def test_what_could_not_be_sent_is_refused_at_once(changes: dict[str, Any], error: type[Refused]) -> None:
    """Whoever hands a mail in hears of it, not a worker later."""
    given: dict[str, Any] = {"sender": SENDER, "to": [READER], "subject": "s", "text": "t"}
    with pytest.raises(error):
        plain_content(**{**given, **changes})
