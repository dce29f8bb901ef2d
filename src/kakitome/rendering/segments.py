"""Where in a template is text, and where a tag?

A tag is `{{ value }}`, `{% block %}` or `{# comment #}`. Everything else that works on a template's source (the
language check, CSS inlining, the derived text) asks here, so there is one opinion of where a tag ends: quotes count,
as they do in the engine.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from kakitome.core.errors import TemplateError


class Kind(Enum):
    TEXT = "text"
    VALUE = "{{"
    BLOCK = "{%"
    COMMENT = "{#"


class Segment(NamedTuple):
    """`source` includes the delimiters, `inner` does not, nor whitespace control. `line` counts from 1."""

    kind: Kind
    source: str
    inner: str
    line: int


_OPEN = re.compile(r"\{[{%#]")
_TAG = {
    Kind.VALUE: re.compile(r"""\{\{[-+]?((?:[^"'}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\}(?!\}))*?)[-+]?\}\}""", re.S),
    Kind.BLOCK: re.compile(r"""\{%[-+]?((?:[^"'%]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|%(?!\}))*?)[-+]?%\}""", re.S),
    Kind.COMMENT: re.compile(r"\{#[-+]?(.*?)[-+]?#\}", re.S),
}


def split(source: str, part: str) -> list[Segment]:
    """The source in order; the sources of the segments together are the source. Raises TemplateError (unclosed tag)."""
    found: list[Segment] = []
    at, line = 0, 1
    while opening := _OPEN.search(source, at):
        if opening.start() > at:
            text = source[at : opening.start()]
            found.append(Segment(Kind.TEXT, text, text, line))
            line += text.count("\n")
        kind = Kind(opening[0])
        tag = _TAG[kind].match(source, opening.start())
        if tag is None:
            raise TemplateError(
                f"The {opening[0]} in line {line} is not closed.",
                f"Close it; a literal {opening[0]} is written {{{{ '{opening[0]}' }}}}.",
                line=line,
                part=part,
            )
        found.append(Segment(kind, tag[0], tag[1], line))
        line += tag[0].count("\n")
        at = tag.end()
    if at < len(source):
        found.append(Segment(Kind.TEXT, source[at:], source[at:], line))
    return found


def without_lonely_lines(segments: list[Segment]) -> list[Segment]:
    """Take away the line of each block or comment that stands alone on it; in a text part it would stay, empty.

    (The engine's `trim_blocks` would also join the next line to `Hello {% if x %}X{% endif %}`.)
    """
    sources = [segment.source for segment in segments]
    for n in [n for n, segment in enumerate(segments) if _stands_alone(segments, n, segment.kind)]:
        if n:
            sources[n - 1] = sources[n - 1].rstrip(" \t")
        if n + 1 < len(segments):
            sources[n + 1] = _LINE_END.sub("", sources[n + 1], count=1)
    return [segment._replace(source=source) for segment, source in zip(segments, sources, strict=True)]


_LINE_START = re.compile(r"\n[ \t]*\Z")
_LINE_END = re.compile(r"\A[ \t]*(?:\r?\n|\Z)")


def _stands_alone(segments: list[Segment], n: int, kind: Kind) -> bool:
    if kind not in (Kind.BLOCK, Kind.COMMENT):
        return False
    before = segments[n - 1].source if n else ""
    after = segments[n + 1].source if n + 1 < len(segments) else ""
    starts = _LINE_START.search(before) or (n < 2 and not before.strip(" \t"))
    ends = "\n" in after or n + 2 >= len(segments)
    return bool(starts) and ends and bool(_LINE_END.match(after))
