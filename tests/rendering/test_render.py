"""Templates become mails."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.content import Charset, Mailbox
from kakitome.core.errors import TemplateError
from kakitome.core.mime import effective_charset
from kakitome.core.template import TemplateSource, digest
from kakitome.rendering import CompiledTemplate, compile_template, preview

READER = Mailbox("taro@example.org", "山田 太郎")


def source(**changes: Any) -> TemplateSource:
    given: dict[str, Any] = {"name": "t", "sender": "書留 <info@example.com>", "subject": "Hello", "html": "<p>Hi</p>"}
    return TemplateSource(**{**given, **changes})


def compiled(**changes: Any) -> CompiledTemplate:
    return compile_template(source(**changes))


def test_a_row_becomes_content() -> None:
    """Sender, subject and both bodies are filled in; To is the reader."""
    template = compiled(
        sender="{{ 支店 }}店 <info@example.com>",
        subject="{{ 氏名 }}様",
        html='<p>{{ 氏名 }}様 {{ row["会社 名"] }}</p>',
        text="{{ 氏名 }}様\n",
    )
    assert template.names == {"支店", "氏名", "会社 名"}
    assert template.missing(["氏名", "支店", "x"]) == {"会社 名"}
    content = template.render({"支店": "本", "氏名": "髙橋", "会社 名": "㈱A&B"}, READER)
    assert content.sender == Mailbox("info@example.com", "本店")
    assert content.to == (READER,)
    assert content.subject == "髙橋様"
    assert content.html == "<p>髙橋様 ㈱A&amp;B</p>"
    assert content.text == "髙橋様\n"


def test_a_missing_column_is_named() -> None:
    """No mail goes out with a hole in it, nor with a method of Python's dict."""
    for html in ("{{ keys }}", "{{ row.keys }}", '{{ row["keys"] }}'):
        with pytest.raises(TemplateError, match="no keys") as caught:
            compiled(html=html).render({"x": ""}, READER)
        assert caught.value.data["missing"] == ["keys"]


@given(st.text(max_size=80))
def test_hostile_values_stay_values(value: str) -> None:
    """HTML is escaped in html and only there; a value with template syntax is not run."""
    content = compiled(html='<a title="{{ x }}">{{ x }}</a>', text="{{ x }}|").render({"x": value}, READER)
    assert content.text == value + "|"
    assert content.html is not None
    inside = content.html.removeprefix('<a title="').removesuffix("</a>")
    assert inside.count('">') == 1 and inside.count("<") == 0 and inside.count('"') == 1


@pytest.mark.parametrize("bad", ["\r\nBcc: x@example.com", "\n", "a\0b", "a\u2028b", "a\x85b"])
@pytest.mark.parametrize("place", ["subject", "sender"])
def test_a_header_stays_one_line(place: str, bad: str) -> None:
    """A line break in a row ends in an error for this row, not in a header of its own."""
    changes = {"subject": "x{{ x }}y"} if place == "subject" else {"sender": "x{{ x }}y <info@example.com>"}
    with pytest.raises(TemplateError) as caught:
        compiled(**changes).render({"x": bad}, READER)
    assert caught.value.data["part"] == ("from" if place == "sender" else "subject")


def test_an_empty_subject_is_an_error() -> None:
    """A row without the words of the subject gets no mail without one."""
    with pytest.raises(TemplateError, match="subject"):
        compiled(subject="{{ x }}").render({"x": " "}, READER)


@pytest.mark.parametrize(
    ("changes", "part", "line"),
    [
        ({"subject": "{{ x"}, "subject", 1),
        ({"html": "<p>\n\n{% if %}"}, "html", 3),
        ({"text": "a\n{{ x|nope }}"}, "text", 2),
        ({"sender": "{{ x <info@example.com>"}, "from", 1),
        ({"sender": "not an address"}, "from", 1),
        ({"sender": Mailbox("{{x}}@example.com")}, "from", 1),
        ({"sender": Mailbox("info@example.com", "{{ 'a\nb")}, "from", 1),
        ({"html": None}, "text", 1),
        ({"html": " "}, "html", 1),
        ({"subject": ""}, "subject", 1),
        ({"mjml": "<mjml></mjml>"}, "mjml", 1),
        ({"html": None, "mjml": "<mjml><mj-body>\n{{ a + b }}</mj-body></mjml>"}, "mjml", 2),
        ({"html": '<img src="x">'}, "html", 1),
        ({"html": "x" * 300_000}, "html", 1),
    ],
)
def test_errors_are_found_when_a_template_is_put(changes: dict[str, Any], part: str, line: int) -> None:
    """With the part and the line in it, never at the first row."""
    with pytest.raises(TemplateError) as caught:
        compiled(**changes)
    assert caught.value.data == {"part": part, "line": line}


def test_an_error_in_a_row_has_the_authors_line() -> None:
    """MJML makes one line of all; the error still tells the line of the source."""
    column = "<mj-column>\n<mj-text>{{ a }}</mj-text>\n<mj-text>{{ b|int }}</mj-text>\n</mj-column>"
    mjml = f"<mjml>\n<mj-body>\n<mj-section>\n{column}</mj-section>\n</mj-body></mjml>"
    template = compiled(html=None, mjml=mjml, text="x")
    with pytest.raises(TemplateError) as caught:
        template.render({"a": "髙", "b": "no number"}, READER)
    assert caught.value.data == {"part": "mjml", "line": 6}


def test_the_text_is_derived_from_the_template() -> None:
    """A value reaches it as it is; conditions leave no holes; a link that shows its URL shows it once."""
    template = compiled(
        html="<style>p { top: 0 }</style><h1>Hi {{ name }}</h1>{% if code %}<p>Code: <b>{{ code }}</b></p>{% endif %}"
        '<ul>{% for w in words|split(",") %}<li>{{ w }}</li>{% endfor %}</ul><a href="{{ url }}">{{ url }}</a>'
        '<p>Hello{% if x %} {{ x }}{% endif %} there</p><div style="display:none">no</div>'
    )
    row = {"name": "<A & B>", "code": "1", "words": "a,b", "url": "https://e.com/?a=1&b=2", "x": ""}
    text = template.render(row, READER).text
    assert text == "Hi <A & B>\n\nCode: 1\n\n- a\n- b\n\nhttps://e.com/?a=1&b=2\n\nHello there\n"
    text = template.render({**row, "code": "", "x": "you"}, READER).text
    assert text == "Hi <A & B>\n\n- a\n- b\n\nhttps://e.com/?a=1&b=2\n\nHello you there\n"


def test_html_in_a_value_is_read_in_the_derived_text() -> None:
    """`|safe` says that the value is HTML, so its tags do not reach the reader of the text."""
    content = compiled(html="<p>{{ x|safe }}</p>").render({"x": "<b>bold</b> &amp; <i>more</i>"}, READER)
    assert content.html == "<p><b>bold</b> &amp; <i>more</i></p>"
    assert content.text == "bold & more\n"


def test_a_loop_ends_and_output_is_capped() -> None:
    """Each part for itself."""
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x"
    for changes, part in (
        ({"html": loop, "text": "x"}, "html"),
        ({"text": loop}, "text"),
        ({"subject": loop}, "subject"),
    ):
        with pytest.raises(TemplateError, match="too long") as caught:
            compiled(**changes).render({}, READER)
        assert caught.value.data == {"part": part, "line": 1}
    with pytest.raises(TemplateError, match="1024 KiB"):
        compiled(html="{{ x }}").render({"x": "x" * 1_100_000}, READER)


def test_a_template_of_text_alone() -> None:
    """Then there is no html part at all."""
    content = compiled(html=None, text="{% if x %}\n{{ x }}\n{% endif %}\nBye\n").render({"x": "Hi"}, READER)
    assert (content.text, content.html) == ("Hi\nBye\n", None)


def test_a_preview_is_what_would_be_sent() -> None:
    """The content of the row and its bytes, nothing else."""
    shown = preview(
        compiled(subject="{{ x }}"),
        {"x": "㈱"},
        READER,
        message_id="<preview@example.com>",
        date=datetime(2026, 11, 22, tzinfo=UTC),
    )
    assert shown.content.subject == "㈱"
    assert b"Message-ID: <preview@example.com>\r\n" in shown.raw


def test_the_digest_is_of_what_is_said() -> None:
    """Name, version and time do not count; every word does."""
    assert digest(source()) == digest(source(name="other", version=3, created_at=1))
    variants = [source(), source(subject="x"), source(html="x"), source(text="x"), source(html=None, mjml="<p>Hi</p>")]
    variants.append(source(sender="x <info@example.com>"))
    assert len({digest(variant) for variant in variants}) == len(variants)


def test_iso_2022_jp_by_choice_and_utf_8_where_it_would_lose() -> None:
    """A template for old readers: each row goes out in ISO-2022-JP only if every character of it survives."""
    source = TemplateSource(
        name="jis", sender="a@example.jp", subject="{{ 氏名 }}様", text="予約", charset=Charset.ISO_2022_JP
    )
    template = compile_template(source)
    to = Mailbox("b@example.jp")
    assert effective_charset(template.render({"氏名": "高橋"}, to)) is Charset.ISO_2022_JP
    assert effective_charset(template.render({"氏名": "髙橋"}, to)) is Charset.UTF_8
