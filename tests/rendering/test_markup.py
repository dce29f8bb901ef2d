"""MJML and style sheets leave template tags alone."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.errors import TemplateError
from kakitome.rendering.markup import Markup
from kakitome.rendering.segments import split

SHEET = "<style>.a { color: red } @media (max-width: 400px) { .a { top: 0 !important } } a:hover { top: 0 }</style>"


def inlined(html: str) -> str:
    markup = Markup(split(html, "html"), "html")
    markup.inline_css()
    return "".join(segment.source for segment in markup.restored())


def compiled(body: str) -> str:
    markup = Markup(split(f"<mjml><mj-body>{body}</mj-body></mjml>", "mjml"), "mjml")
    markup.compile_mjml()
    markup.inline_css()
    return "".join(segment.source for segment in markup.restored())


def test_rules_are_copied_and_the_sheet_stays() -> None:
    """Gmail's app drops sheets, phones want the media queries."""
    html = inlined(SHEET + '<p class="a">x</p>')
    assert '<p class="a" style="color: red;">' in html
    assert SHEET in html


def test_html_without_a_sheet_is_left_alone() -> None:
    """What its author wrote is what is sent, byte for byte."""
    html = "<P class=a>{{ x }}<br/>{% if y %}<td>{% endif %}"
    assert inlined(html) == html


def test_blocks_in_tables_stay_where_they_are() -> None:
    """A parser moves text out of a table; a loop over rows must not become a loop over nothing."""
    html = inlined(SHEET + "<table><tbody>{% for x in y %}<tr><td>{{ x }}</td></tr>{% endfor %}</tbody></table>")
    assert "<table><tbody>{% for x in y %}<tr><td>{{ x }}</td></tr>{% endfor %}</tbody></table>" in html


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://e.com/?a={{ row["会社 名"] }}&amp;b={{ x|urlencode }}">y</a>',
        '<p class="a {% if x < 3 %}b{% endif %}">y</p>',
        "<title>{{ x }}</title>",
        "<!--[if mso]>{{ x }}<![endif]-->",
        '<p style="width: {{ x }}px;">y</p>',
        '<p class="a" style="top: 0; {% if x %}left: 0{% endif %}">y</p>',
        "<p>{{ '<b>' }} {% if a and b %}&amp;{% endif %}</p>",
        "<textarea>{{ x }}</textarea>",
    ],
)
def test_tags_come_back_in_every_place(html: str) -> None:
    """Quotes, angle brackets and ampersands of the template language do not meet those of HTML."""
    tags = [segment.source for segment in split(html, "html") if segment.source.startswith("{")]
    result = inlined(SHEET + html)
    for tag in tags:
        assert tag in result


def test_variables_and_blocks_in_a_style_sheet() -> None:
    """A value is copied with its rule; a block stays in the sheet."""
    html = inlined("<style>.a { color: {{ colour }} } {% if x %} .b { top: 0 } {% endif %}</style><p class=a>y</p>")
    assert 'style="color: {{ colour }};"' in html
    assert "{% if x %} .b { top: 0 } {% endif %}" in html


@pytest.mark.parametrize(
    "html",
    [
        '\n<td {% if x %}class="a"{% endif %}>',
        "\n<a href={{ x }}>y</a>",
        "\n<{{ x }} a='b'><p {{ x }}>",
        SHEET + '\n<p class="a" style="{{ x }}">y</p>',
    ],
)
def test_a_tag_in_an_unsafe_or_lost_place_is_refused(html: str) -> None:
    """Outside quotes, escaping protects nobody; a style attribute that gets rewritten must be CSS without it."""
    with pytest.raises(TemplateError) as caught:
        inlined(html)
    assert caught.value.data["part"] == "html"


def test_no_style_sheet_is_fetched() -> None:
    """A template must not make this machine call another one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.css"
        html = inlined(f'<link rel="stylesheet" href="{url}"><style>@import url({url}); p {{ top: 0 }}</style><p>x</p>')
        with pytest.raises(BlockingIOError):
            server.accept()
    assert f'<link rel="stylesheet" href="{url}">' in html


def test_mjml_becomes_html_around_the_tags() -> None:
    """Between sections, columns and words, in attributes and with characters that XML does not like."""
    html = compiled(
        '{% if a < 3 %}<mj-section>{% for x in y %}<mj-column><mj-text>{{ x }} &amp; {{ row["会社 名"] }}</mj-text>'
        '<mj-button href="https://e.com/{{ row["n"] }}">Go</mj-button></mj-column>{% endfor %}</mj-section>{% endif %}'
    )
    order = [
        html.index(tag) for tag in ("{% if a < 3 %}", "{% for x in y %}", "{{ x }}", "{% endfor %}", "{% endif %}")
    ]
    assert order == sorted(order)
    assert '{{ x }} &amp; {{ row["会社 名"] }}' in html
    assert 'href="https://e.com/{{ row["n"] }}"' in html


def test_mjml_names_no_web_font() -> None:
    """The usual default would tell Google who opens the mail."""
    assert "fonts.g" not in compiled("<mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section>")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("<mjml>\n<mj-body>\n<mj-section>\n<mj-column>\n</mj-section></mj-body></mjml>", 5),
        ("<mjml><mj-body><mj-section>\n<mj-text>{{\nx }}</mj-text>\n</mj-column>", 4),
        ("nothing", 1),
    ],
)
def test_broken_mjml_is_told_with_its_line(source: str, line: int) -> None:
    """Where the tool knows no line, a second reader finds it; the lines of tags count."""
    with pytest.raises(TemplateError) as caught:
        Markup(split(source, "mjml"), "mjml").compile_mjml()
    assert caught.value.data == {"part": "mjml", "line": line}


def test_mjml_includes_no_file(tmp_path: Path) -> None:
    """A template is one piece, and reads nothing of this machine."""
    file = tmp_path / "x.mjml"
    file.write_text("<mj-section/>")
    with pytest.raises(TemplateError, match="mj-include"):
        compiled(f'<mj-include path="{file}" />')


@given(
    st.lists(st.sampled_from(["<p>", "</p>", "<td>", "a", "{{ x }}", '<b class="{{ x }}">', "<!--", "-->", "<", '"']))
)
def test_tags_are_never_lost_in_silence(pieces: list[str]) -> None:
    """However broken the HTML: every tag comes back, or there is an error."""
    html = "".join(pieces)
    try:
        result = inlined("<style>p { top: 0 }</style>" + html)
    except TemplateError:
        return
    assert result.count("{{ x }}") >= html.count("{{ x }}")  # a parser may copy an open <b> to the next paragraph


def test_our_own_marks_in_a_template_are_refused() -> None:
    """Otherwise a text could stand for a tag."""
    with pytest.raises(TemplateError):
        inlined("zq1qz{{ x }}")
