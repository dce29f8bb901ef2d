"""One part of a template (sender's name, subject, html or text), compiled by MiniJinja and bounded.

Two bounds, since a step of the engine is cheap but can write much:

- steps: `FUEL`, measured at 0.02 µs each, so an endless loop ends after about 2 ms;
- characters: no more than some 32 million are ever written for one part, whatever template and row, since fuel is given
  in proportion to the longest thing that a step could write. The language has nothing that makes a value longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import minijinja

from kakitome.core.errors import TemplateError
from kakitome.rendering.language import read
from kakitome.rendering.plain import html_to_text
from kakitome.rendering.segments import Kind, Segment

FUEL = 100_000
SOURCE_LIMIT = 256 * 1024
OUTPUT_LIMIT = 1024 * 1024  # characters; Gmail cuts a mail off at 102 KB anyway
WRITE_LIMIT = 32 * 1024 * 1024


class Part:
    """`segments` carry the lines that the author knows; errors of the engine are told in them."""

    def __init__(self, name: str, segments: list[Segment], *, escape: bool = False) -> None:
        self.name = name
        self._escape = escape
        self._source = "".join(segment.source for segment in segments)
        self._segments = segments
        # The engine comes first: its words for a syntax error are better.
        self._environment = minijinja.Environment(
            undefined_behavior="strict",
            fuel=FUEL,
            keep_trailing_newline=True,
            pycompat=False,
            auto_escape_callback=lambda _: escape,
        )
        for function in ("debug", "dict", "namespace"):
            self._environment.remove_global(function)
        if not escape:
            # In plain text there is nothing to escape, and HTML that was meant as such is read.
            self._environment.add_filter("safe", lambda value: html_to_text(str(value)))
            self._environment.add_filter("escape", str)
            self._environment.add_filter("e", str)
        try:
            self._environment.add_template(name, self._source)
        except minijinja.TemplateError as error:
            raise self._told(error) from None
        self.needs = read(segments, name)
        texts = [len(segment.source) for segment in segments if segment.kind is Kind.TEXT]
        self._longest_text = max(texts, default=1) if self.needs.loops else 1
        self._static = self._source if all(segment.kind is Kind.TEXT for segment in segments) else None

    def render(self, context: Mapping[str, object], longest: int) -> str:
        """Fill a row in. Raises TemplateError.

        `context` has every column that is needed, and `row`; `longest` is the length of its longest value.
        """
        if self._static is not None:
            return self._static
        if self.needs.steps * longest > WRITE_LIMIT:
            what = f"The {self.name} could come out longer than {WRITE_LIMIT >> 20} million characters."
            raise TemplateError(what, "A value of this row is too long.", part=self.name)
        fuel = self.needs.steps + WRITE_LIMIT // max(longest, self._longest_text)
        self._environment.fuel = min(fuel, FUEL)
        try:
            written = self._environment.render_template(self.name, **context)
        except minijinja.TemplateError as error:
            raise self._told(error) from None
        if len(written) > OUTPUT_LIMIT:
            raise self._too_long()
        # The engine escapes slashes too; nobody needs that between quotes, and link trackers do not expect it.
        return written.replace("&#x2f;", "/") if self._escape else written

    def _too_long(self) -> TemplateError:
        what = f"The {self.name} comes out longer than {OUTPUT_LIMIT // 1024} KiB."
        return TemplateError(what, "Look for a loop or a value that is too long.", part=self.name)

    def _told(self, error: minijinja.TemplateError) -> TemplateError:
        line = self._line(error)
        if error.kind == "OutOfFuel":
            what, remedy = "It runs too long", "Look for a loop over too much."
        else:
            what, remedy = error.detail or error.kind, "See the template language in the manual."
        return TemplateError(f"{what} (line {line} of the {self.name}).", remedy, line=line, part=self.name)

    def _line(self, error: minijinja.TemplateError) -> int:
        """The author's line. The engine counts in the compiled source, whose lines MJML and CSS have changed."""
        if error.range is None:
            return error.line or 1
        at = len(self._source.encode()[: error.range[0]].decode(errors="ignore"))
        ends = accumulate(len(segment.source) for segment in self._segments)
        for segment, end in zip(self._segments, ends, strict=True):
            if at < end and segment.line:
                return segment.line + segment.source[: at - end + len(segment.source)].count("\n")
        return error.line or 1
