"""What stands inside a tag, piece by piece?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from kakitome.core.errors import TemplateError
from kakitome.rendering.segments import Segment

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[^\W\d]\w*)"""
    r"""|(?P<sign>==|!=|<=|>=|[^\s\w]))""",
    re.S,
)


class Token(NamedTuple):
    kind: str
    text: str


class Cursor:
    """A place among the tokens of one tag at a time. Whatever is not as expected is a TemplateError with its line."""

    def __init__(self, part: str) -> None:
        self.part = part
        self._line = 1
        self._tokens: list[Token] = []
        self._at = 0

    def open(self, segment: Segment) -> int:
        """Begin with the tag; how many tokens it has."""
        self._line, self._at = segment.line, 0
        self._tokens = list(self._cut(segment.inner))
        return len(self._tokens)

    def close(self) -> None:
        """Refuse what was not read."""
        if self._at < len(self._tokens):
            self.refuse(f"“{self._tokens[self._at].text}” is not part of the template language")

    def _cut(self, inner: str) -> Iterator[Token]:
        at, inner = 0, inner.rstrip()
        while at < len(inner):
            found = _TOKEN.match(inner, at)
            if found is None:
                self.refuse(f"“{inner[at:].strip()[:1]}” is not part of the template language")
            yield Token(str(found.lastgroup), str(found[str(found.lastgroup)]))
            at = found.end()

    def peek(self) -> str:
        """The text of the next token; empty for strings, so that a string is never taken for a word."""
        return self._text(self._at)

    def second(self) -> str:
        """The same for the token after the next."""
        return self._text(self._at + 1)

    def _text(self, at: int) -> str:
        return self._tokens[at].text if at < len(self._tokens) and self._tokens[at].kind != "string" else ""

    def next(self) -> Token:
        if self._at >= len(self._tokens):
            self.refuse("Something is missing at the end of the tag")
        self._at += 1
        return self._tokens[self._at - 1]

    def take(self, text: str) -> bool:
        if self.peek() != text:
            return False
        self._at += 1
        return True

    def expect(self, text: str) -> None:
        if not self.take(text):
            self.refuse(f"“{text}” is missing before “{self.peek() or 'the end of the tag'}”")

    def name(self) -> str:
        return self.literal("name")

    def literal(self, kind: str) -> str:
        token = self.next()
        if token.kind != kind:
            self.refuse(f"“{token.text}” stands where a {kind} is expected")
        return token.text

    def refuse(self, what: str, choice: frozenset[str] = frozenset()) -> NoReturn:
        remedy = f"There are: {', '.join(sorted(choice))}." if choice else "See the template language in the manual."
        raise TemplateError(f"{what} (line {self._line} of the {self.part}).", remedy, line=self._line, part=self.part)
