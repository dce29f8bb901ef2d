"""Where a template's tags begin and end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.errors import TemplateError
from kakitome.rendering.segments import Kind, split, without_lonely_lines

PIECES = st.lists(st.sampled_from(["a", "\n", " ", "{{ x }}", '{{ "}}" }}', "{% if x %}", "{%- endif -%}", "{# c #}"]))


@given(PIECES)
def test_the_segments_together_are_the_source(pieces: list[str]) -> None:
    """Nothing is lost, and each segment knows its line."""
    source = "".join(pieces)
    segments = split(source, "text")
    assert "".join(segment.source for segment in segments) == source
    before = ""
    for segment in segments:
        assert segment.line == 1 + before.count("\n")
        before += segment.source


def test_quotes_hide_the_end_of_a_tag() -> None:
    """As in the engine, `}}` in a string is text, and whitespace control is not part of the tag."""
    segments = split("a{{- '}}' -}}b{% if \"%}\" %}", "text")
    assert [(s.kind, s.inner.strip()) for s in segments] == [
        (Kind.TEXT, "a"),
        (Kind.VALUE, "'}}'"),
        (Kind.TEXT, "b"),
        (Kind.BLOCK, 'if "%}"'),
    ]


@pytest.mark.parametrize("source", ["a\n{{ x", "\n{% if", "\n{# x", "\n{{ 'x }}"])
def test_an_open_tag_is_told_with_its_line(source: str) -> None:
    """A tag without its end would swallow the rest of the mail."""
    with pytest.raises(TemplateError, match="line 2") as caught:
        split(source, "text")
    assert caught.value.data == {"line": 2, "part": "text"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a\n{% if x %}\nb\n{% endif %}\nc\n", "a\n{% if x %}b\n{% endif %}c\n"),
        ("{% if x %}\nb\n  {% endif %}  \nc", "{% if x %}b\n{% endif %}c"),
        ("  {% if x %}\nb{% endif %}", "{% if x %}b{% endif %}"),
        ("{% if x %}\n{% if y %}\nb\n{% endif %}\n{% endif %}\n", "{% if x %}{% if y %}b\n{% endif %}{% endif %}"),
        ("a {% if x %}\nb", "a {% if x %}\nb"),
        ("{% if x %} b\n", "{% if x %} b\n"),
        ("{% if x %}{% if y %}\nb", "{% if x %}{% if y %}\nb"),
        ("a\n{{ x }}\nb", "a\n{{ x }}\nb"),
        ("a\n{# note #}\r\nb", "a\n{# note #}b"),
    ],
)
def test_a_block_alone_on_its_line_takes_the_line_with_it(source: str, expected: str) -> None:
    """So that a text part has no holes where conditions were; what shares a line keeps it."""
    assert "".join(segment.source for segment in without_lonely_lines(split(source, "text"))) == expected
