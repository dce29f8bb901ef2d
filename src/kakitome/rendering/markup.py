"""How does what a designer writes (MJML, a style sheet) become HTML that mail programs show?

Done once, when a template is put, on the template itself and not on every mail. The tags travel through both tools
as marks that mean nothing to them and come back at the end:

- between elements a tag becomes an HTML comment, the only thing a parser leaves alone inside `<table>`;
- in attributes, titles and comments it becomes a word; in style sheets a block becomes a CSS comment.

A mark that does not come back, or a block that comes back twice or in another order, is an error and not a broken mail.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from css_inline import CSSInliner, InlineError
from mjml import mjml2html

from kakitome.core.errors import TemplateError
from kakitome.rendering.segments import Kind, Segment

_MARK = re.compile(r"<!--zq[cb](\d+)qz-->|/\*zqs(\d+)qz\*/|zq(\d+)qz")
_PLACES = re.compile(
    r"(?P<comment><!--.*?-->)"
    r"|(?P<sheet><(?P<s>style|mj-style)\b[^>]*>.*?</(?P=s)\s*>)"
    r"|(?P<words><(?P<w>title|textarea|script|mj-title|mj-preview)\b[^>]*>.*?</(?P=w)\s*>)"
    r"|(?P<tag></?[a-zA-Z](?:[^\"'<>]|\"[^\"]*\"|'[^']*')*>)"
    r"|(?P<between>zq\d+qz)",
    re.S | re.I,
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_STYLE = re.compile(r"<style\b", re.I)
# Nothing is fetched: a template must not make this machine call another one. Sheets stay for media queries and :hover.
_INLINER = CSSInliner(load_remote_stylesheets=False, keep_style_tags=True, keep_link_tags=True)


def _number(mark: re.Match[str]) -> int:
    return int(mark[1] or mark[2] or mark[3])


class Markup:
    """HTML whose template tags are marks; `segments` are the tags, found by the number in the mark."""

    def __init__(self, segments: list[Segment], part: str) -> None:
        self.segments = segments
        self.part = part
        plain = "".join(s.source if s.kind is Kind.TEXT else f"zq{n}qz" for n, s in enumerate(segments))
        texts = "".join(s.source for s in segments if s.kind is Kind.TEXT)
        if _MARK.search(texts):
            raise TemplateError("The template has a word of the form zq1qz, which is ours.", line=1, part=part)
        self.html = _PLACES.sub(self._place, plain)

    def compile_mjml(self) -> None:
        """MJML to HTML. mj-include finds nothing: a template is one piece. Raises TemplateError."""
        try:
            self.html = mjml2html(self.html, fonts={})  # no default web font: it would tell Google who reads
        except ValueError as error:
            line = self._line_of_xml_error()
            where = f" (line {line})" if line else ""
            what = f"The MJML cannot be read{where}: {error}."
            remedy = "Close every element; a literal < is &lt;; mj-include is not there, put everything in one file."
            raise TemplateError(what, remedy, line=line, part=self.part) from None

    def inline_css(self) -> None:
        """Copy the rules of style sheets to the elements, for mail programs that drop the sheets."""
        if not _STYLE.search(self.html):
            return
        try:
            self.html = _INLINER.inline(self.html)
        except InlineError as error:
            what = f"The style sheet cannot be inlined: {error}."
            remedy = 'In CSS, {{ … }} stands for a value only; choose between looks by class="{% if … %}a{% endif %}".'
            raise TemplateError(what, remedy, line=1, part=self.part) from None

    def restored(self) -> list[Segment]:
        """The HTML as segments, tags in their places with the line their author knows. Raises TemplateError."""
        numbers = [_number(mark) for mark in _MARK.finditer(self.html)]
        values = {n for n, s in enumerate(self.segments) if s.kind is Kind.VALUE}
        blocks = [n for n, s in enumerate(self.segments) if s.kind is Kind.BLOCK]
        astray = values.difference(numbers)
        if [n for n in numbers if self.segments[n].kind is Kind.BLOCK] != blocks:
            astray.update(blocks)
            astray = {n for n in astray if numbers.count(n) != 1} or astray
        for number in sorted(astray):
            segment = self.segments[number]
            what = f"The tag {segment.source} in line {segment.line} does not survive in its place."
            remedy = "Move it: between elements, into text, or into a quoted attribute other than style."
            raise TemplateError(what, remedy, line=segment.line, part=self.part)
        return self.restore(self.html)

    def spelled(self, text: str) -> str:
        """The text with the tags themselves in place of the marks."""
        return "".join(segment.source for segment in self.restore(text))

    def restore(self, text: str) -> list[Segment]:
        """Any text with marks of ours as segments."""
        pieces: list[Segment] = []
        at = 0
        for mark in _MARK.finditer(text):
            if mark.start() > at:
                pieces.append(Segment(Kind.TEXT, text[at : mark.start()], "", 0))
            pieces.append(self.segments[_number(mark)])
            at = mark.end()
        return [*pieces, Segment(Kind.TEXT, text[at:], "", 0)] if at < len(text) else pieces

    def _place(self, place: re.Match[str]) -> str:
        text = place[0]
        if place["between"]:
            number = text[2:-2]
            return f"<!--zq{'b' if self.segments[int(number)].kind is Kind.BLOCK else 'c'}{number}qz-->"
        if place["sheet"]:
            return _MARK.sub(self._in_sheet, text)
        if place["tag"]:
            loose = _MARK.search(_QUOTED.sub("", text))
            if loose:
                segment = self.segments[int(loose[3])]
                what = f"The tag {segment.source} in line {segment.line} stands inside an element, outside quotes."
                remedy = 'Tags go between elements or into a quoted value, such as class="{% if … %}a{% endif %}".'
                raise TemplateError(what, remedy, line=segment.line, part=self.part)
        return text

    def _in_sheet(self, mark: re.Match[str]) -> str:
        return mark[0] if self.segments[int(mark[3])].kind is Kind.VALUE else f"/*zqs{mark[3]}qz*/"

    def _line_of_xml_error(self) -> int | None:
        """The tool rarely says where; a second opinion does, if the source is not well-formed."""
        parser = expat.ParserCreate()
        parser.UseForeignDTD(True)  # &nbsp; and its like are not errors
        try:
            parser.Parse(self.html, True)
        except expat.ExpatError as error:
            lines = self.html.split("\n")[: error.lineno]
            lines[-1:] = [lines[-1][: error.offset]] if lines else []
            return 1 + self.spelled("\n".join(lines)).count("\n")
        return None
