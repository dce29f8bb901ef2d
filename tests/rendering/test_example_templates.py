"""The templates in examples/ are what they promise."""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime
from email.policy import default
from pathlib import Path

import pytest

from kakitome.core.content import Mailbox
from kakitome.core.template import TemplateSource
from kakitome.rendering import compile_template, preview

EXAMPLES = Path(__file__).parents[2] / "examples"
READER = Mailbox("taro@example.org", "山田 太郎")


def newsletter(text: bool = True) -> TemplateSource:
    return TemplateSource(
        name="newsletter",
        sender="かきとめ舎 <letters@example.com>",
        subject='{% if 言語 == "en" %}New paper for the winter{% else %}冬の便箋が届きました{% endif %}',
        mjml=(EXAMPLES / "newsletter/newsletter.mjml").read_text("utf-8"),
        text=(EXAMPLES / "newsletter/newsletter.txt").read_text("utf-8") if text else None,
    )


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize(
    ("language", "greeting", "leave"),
    [("ja", "髙橋 様", "配信"), ("en", "Dear 髙橋,", "Unsubscribe"), ("", "髙橋 様", "配信")],
)
def test_the_newsletter_speaks_the_readers_language(language: str, greeting: str, leave: str, written: bool) -> None:
    """One language a mail; greeting, button, sender, address and a way out, in html and text, written or derived."""
    template = compile_template(newsletter(text=written))
    assert template.names == {"メールアドレス", "氏名", "会社", "言語", "購読番号", "unsubscribe_url"}
    row = {"メールアドレス": "t@example.org", "氏名": "髙橋", "会社": "㈱A&B", "言語": language, "購読番号": "N 1&2"}
    row["unsubscribe_url"] = "https://mail.example.com/u/0"
    content = template.render(row, READER)
    assert content.html is not None and content.text is not None
    for body in (content.html, content.text):
        assert greeting in body and leave in body and "100-0000" in body and "t@example.org" in body
        assert "https://mail.example.com/u/0" in body
        assert ("便箋" in body.split("<body")[-1]) is (language != "en")
        assert not re.search(r"\{[{%#]|zq\w?\d", body)
    assert "㈱A&amp;B" in content.html or language == "en"
    assert "\n\n\n\n" not in content.text


def test_the_newsletter_greets_those_whose_name_is_not_known() -> None:
    """Empty columns leave no empty lines and no lonely 様."""
    row = {"メールアドレス": "t@example.org", "氏名": "", "会社": "", "言語": "ja", "購読番号": "1"} | {
        "unsubscribe_url": "x"
    }
    text = compile_template(newsletter()).render(row, READER).text
    assert text is not None
    assert "────\n\n読者の皆様\n\n日が" in text


def test_the_booking_mail_with_and_without_a_total() -> None:
    """The optional column is optional; styles are in the elements, and the bytes parse."""
    template = compile_template(
        TemplateSource(
            name="booking-made",
            sender="{{ hotel }} <stay@example.com>",
            subject="ご予約を承りました（{{ booking }}）",
            html=(EXAMPLES / "booking/booking-made.html").read_text("utf-8"),
            text=(EXAMPLES / "booking/booking-made.txt").read_text("utf-8"),
        )
    )
    assert template.names == {"name", "booking", "hotel", "arrival", "departure", "guests", "url"}
    row = dict.fromkeys(template.names, "x") | {
        "name": "髙橋",
        "url": "https://example.com/b?a=1&b=2",
        "hotel": "宿 髙",
    }
    for total in ({}, {"total": "12,000円"}):
        shown = preview(
            template, row | total, READER, message_id="<b@example.com>", date=datetime(2026, 11, 22, tzinfo=UTC)
        )
        html, text = shown.content.html, shown.content.text
        assert html is not None and text is not None
        assert ("合計" in html) is ("合計" in text) is bool(total)
        assert 'href="https://example.com/b?a=1&amp;b=2"' in html and "https://example.com/b?a=1&b=2" in text
        assert 'class="button" href=' in html and "background: #1f4e5f" in html.split("<body")[1]
        assert email.message_from_bytes(shown.raw, policy=default)["From"].addresses[0].display_name == "宿 髙"
