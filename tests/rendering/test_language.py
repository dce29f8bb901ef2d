"""What a template may say, and which columns it needs."""

from __future__ import annotations

import pytest

from kakitome.core.errors import TemplateError
from kakitome.rendering.part import Part
from kakitome.rendering.segments import split


def part(source: str) -> Part:
    return Part("text", split(source, "text"))


def written(source: str, **row: str) -> str:
    return part(source).render({**row, "row": row}, max(map(len, row.values()), default=1))


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("nothing", set()),
        ("{{ 氏名 }} {{ メールアドレス }}", {"氏名", "メールアドレス"}),
        ("{{ row[\"会社 名\"] }} {{ row['①'] }} {{ row.氏名 }}", {"会社 名", "①", "氏名"}),
        ("{% if a == 'x' and not b %}{% elif c in ['y', 'z'] %}{% endif %}", {"a", "b", "c"}),
        ("{{ a|default('x') }} {{ b|d(c) }} {{ e|upper|default('x') }}", {"c", "e"}),
        ("{% if a is defined %}{{ a }}{% endif %}{{ b }}", {"b"}),
        ("{{ row.keys|default('x') }}{% if items is defined %}{% endif %}", {"keys", "items"}),
        ("{% if a is startingwith(b) %}{% endif %}", {"a", "b"}),
        ("{% for word in a|split(sep) %}{{ word }}{{ loop.index }}{% endfor %}{{ word }}", {"a", "sep", "word"}),
        ("{% for key, value in row|items if value %}{{ key }}{{ value }}{% endfor %}", set()),
        ("{% set x = a if b else 'c' %}{{ x }}", {"a", "b"}),
        ("{{ (a or b)|trim }} {{ a|length > 3 }} {{ 'x'[0] }} {{ -1 }}", {"a", "b"}),
        ("{% for n in range(3) %}{{ n }}{% endfor %}", set()),
        ("{# {{ a }} #}{{ 'b' }} {{ true }}", set()),
        ("{{ loop }}{{ range }}", {"loop", "range"}),
    ],
)
def test_needed_columns(source: str, columns: set[str]) -> None:
    """Every column in use counts, through `row` too; those with a default or asked for by `is defined` do not."""
    assert part(source).needs.columns == columns


@pytest.mark.parametrize(
    "tag",
    [
        "{{ a ~ a }}",
        "{{ 'a' * 100000000 }}",
        "{{ a + a }}",
        "{{ 2 ** 9 }}",
        "{{ [1] * 9 }}",
        "{{ [a, [a]] }}",
        "{{ (a, a) }}",
        "{{ {'a': a} }}",
        "{{ a|indent(10000000000) }}",
        "{{ a|replace('a', a) }}",
        "{{ a|tojson }}",
        "{{ a|split('')|upper }}",
        "{% set a = a|split('') %}",
        "{% set a = a|urlencode %}",
        "{{ a|urlencode|urlencode }}",
        "{{ (a|e)|e }}",
        "{{ a.upper() }}",
        "{{ a.__class__ }}",
        "{{ row }}",
        "{{ row.items() }}",
        "{{ row[a] }}",
        "{{ row['\\u0061'] }}",
        "{{ debug() }}",
        "{{ dict(a=1) }}",
        "{{ namespace() }}",
        "{{ self }}{% include 'x' %}",
        "{% include '/etc/passwd' %}",
        "{% include 'x' ignore missing %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% macro x() %}{% endmacro %}",
        "{% set x %}{{ a }}{{ a }}{% endset %}",
        "{% set x, y = a %}",
        "{% with x = a %}{% endwith %}",
        "{% filter upper %}x{% endfilter %}",
        "{% autoescape false %}{% endautoescape %}",
        "{% do a %}",
        "{% raw %}{{ a }}{% endraw %}",
        "{% for a in b recursive %}{% endfor %}",
        "{% for a in [a, a] %}{% endfor %}",
        "{{ a b }}",
        "{{ }}",
        "{{ a | }}",
        "{% if %}{% endif %}",
        "{% if a %}",
        "{% endif %}",
        "{{ ① }}",
        "{{ 会社 名 }}",
    ],
)
def test_everything_else_is_refused_with_its_line(tag: str) -> None:
    """By the engine or by us, before the first row: no files, no calls, nothing that makes a value longer."""
    with pytest.raises(TemplateError) as caught:
        part(f"line 1\nline 2\n{tag}")
    assert caught.value.data == {"line": 3, "part": "text"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ a|upper }}{{ a|title }}{{ a|length }}{{ a|trim|first }}", "XYXy2x"),
        ("{{ row.nothing|default('none') }}{{ nothing|default('none') }}", "nonenone"),
        ('{{ row["会社 名"] }}', "A&B"),
        ("{% for w in 'a b'|split(' ') %}{{ loop.index }}{{ w }}{% endfor %}", "1a2b"),
        ("{% if a in ['xy', 'z'] %}yes{% endif %}", "yes"),
        ("{{ a|e }}{{ '<'|e }}", "xy<"),
        ("{{ '<p>Hello <b>you</b></p>'|safe }}{{ 1|safe }}", "Hello you1"),
        ("{{ '{{' }}", "{{"),
    ],
)
def test_what_it_says(source: str, expected: str) -> None:
    """A taste of the language, in a text part: nothing is escaped there, and HTML meant as such is read."""
    assert written(source, a="xy", **{"会社 名": "A&B"}) == expected


@pytest.mark.parametrize(
    "loop",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}" + "x" * 10_000 + "{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ long }}{% endfor %}{% endfor %}",
        "{% for a in range(3000) %}" + "x" * 100_000 + "{% endfor %}",
        "{% for a in range(3000) %}{{ long }}{% endfor %}",
    ],
)
def test_an_endless_loop_ends(loop: str) -> None:
    """It runs out of fuel, and with long pieces before it has written more than memory holds."""
    with pytest.raises(TemplateError, match="runs too long") as caught:
        written("\n" + loop, long="x" * 100_000)
    assert caught.value.data == {"part": "text", "line": 2}


def test_output_is_bounded_without_a_loop() -> None:
    """Many tags times a long value are refused before anything is written."""
    with pytest.raises(TemplateError, match="could come out"):
        written("{{ a }}" * 10_000, a="x" * 100_000)
    with pytest.raises(TemplateError, match="comes out"):
        written("{{ a }}" * 20, a="x" * 100_000)
    assert len(written("{{ a }}" * 10_000, a="x")) == 10_000
