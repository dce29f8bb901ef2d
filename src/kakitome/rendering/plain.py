"""How does HTML read as plain text?

For readers without HTML and for spam filters that distrust mails without text. Works on HTML with marks of `Markup` as
well as on finished HTML: a template's text is derived once, from the template, so that

- a variable reaches the text as it is, not escaped and parsed back, and a value with `<` in it is no tag;
- a mail costs nothing more (parsing its HTML again would take longer than all the rest).

Links become `text (url)`, headings and paragraphs stand apart, lists get `-` or numbers, pictures their alt text.
What is hidden (`display:none`, the usual preheader) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

_PARAGRAPHS = frozenset("p h1 h2 h3 h4 h5 h6 ul ol table blockquote pre dl".split())  # noqa: SIM905
_LINES = frozenset("div li tr dt dd section article header footer address body center hr".split())  # noqa: SIM905
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())  # noqa: SIM905
_UNSEEN = frozenset("head style script title template noscript".split())  # noqa: SIM905
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.I)
_SPACES = re.compile(r"[ \t\r\n\f]+")  # what HTML collapses; ideographic and no-break spaces stay
_INVISIBLE = " \xa0\xad\u034f\u2007\u200a\u200b\u200c\ufeff"  # spacers, and what stuffs preheaders
_VALUE = re.compile(r"zqc\d+qz").fullmatch
_BLOCK = re.compile(r"zqb\d+qz").fullmatch


def html_to_text(html: str, spelled: Callable[[str], str] = str) -> str:
    """The text of an HTML document or fragment; ends without a line end, empty if nothing in it can be seen.

    `spelled` says what a text with marks stands for, to see if a link shows its own URL.
    """
    reader = _Reader(spelled)
    reader.feed(html)
    reader.close()
    return tidy("".join(reader.out))


def tidy(text: str) -> str:
    """At most one empty line in a row, no spaces at the ends of lines."""
    if " \n" in text or "\t\n" in text:
        text = re.sub(r"[ \t]+\n", "\n", text)
    if "\n\n\n" in text:
        text = re.sub(r"\n{3,}", "\n\n", text)
    return text.strip("\n ")


class _Reader(HTMLParser):
    def __init__(self, spelled: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=True)
        self.spelled = spelled
        self.out: list[str] = []
        self._breaks = 0  # line ends due before the next text
        self._ended = 2  # line ends that stand there already, before blocks or at the very start
        self._space = False
        self._start = True  # at the start of a line
        self._unseen: list[str] = []
        self._links: list[tuple[str, int]] = []
        self._lists: list[int | None] = []
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        hidden = tag in _UNSEEN or "hidden" in given or _HIDDEN.search(given.get("style", ""))
        if (hidden or self._unseen) and tag not in _VOID:
            self._unseen.append(tag)
        if self._unseen or hidden:
            return
        self._break(tag)
        if tag == "a":
            self._links.append((given.get("href", "").strip(), len(self.out)))
        elif tag == "br":
            self._breaks, self._space = self._breaks + 1, False
        elif tag == "hr":
            self._write("-" * 20)
            self._breaks = 1
        elif tag == "img" and given.get("alt", "").strip():
            self._text(given["alt"])
        elif tag in ("td", "th"):
            self._space = not self._start
        elif tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._item()
        self._pre += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if self._unseen:
            if tag in self._unseen:
                while self._unseen.pop() != tag:
                    pass
            return
        if tag == "a" and self._links:
            self._close_link(*self._links.pop())
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        self._pre -= tag == "pre" and self._pre > 0
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._text(data)

    def handle_comment(self, data: str) -> None:
        if self._unseen:
            return
        if _VALUE(data):
            self._write(f"<!--{data}-->")
        elif _BLOCK(data):
            # Line ends go before it, so that a loop repeats whole lines; a space goes after it, into the condition:
            # `Hello{% if x %} X{% endif %} there` reads well both ways.
            self.out.append("\n" * self._breaks + f"<!--{data}-->")
            self._start = self._start or self._breaks > 0
            self._ended, self._breaks = self._ended + self._breaks, 0
            if self._lists:
                self._lists[-1] = None  # how often it repeats is not known: no numbers

    def _text(self, data: str) -> None:
        if self._pre:
            self._write(data)
            return
        words = _SPACES.sub(" ", data)
        if words.startswith(" "):
            self._space = True
        if words.strip(_INVISIBLE):
            self._write(words.strip(" "))
            self._space = words.endswith(" ")

    def _write(self, text: str) -> None:
        if self._breaks:
            self.out.append("\n" * self._breaks)
            self._start = True
        if self._space and not self._start:
            self.out.append(" ")
        self.out.append(text)
        self._breaks, self._ended, self._space, self._start = 0, 0, False, False

    def _break(self, tag: str) -> None:
        due = 2 if tag in _PARAGRAPHS and not (tag in ("ul", "ol") and self._lists) else 1 if tag in _LINES else 0
        if due:
            self._breaks, self._space = max(self._breaks, due - self._ended), False

    def _item(self) -> None:
        number = self._lists[-1] if self._lists else None
        self._write("-" if number is None else f"{number}.")
        self._space = True
        if number is not None:
            self._lists[-1] = number + 1

    def _close_link(self, url: str, since: int) -> None:
        shown = self.spelled("".join(self.out[since:])).strip()
        if url.startswith(("#", "cid:", "javascript:")) or not url:
            return
        bare = url.removeprefix("mailto:").removeprefix("tel:")
        spelled = self.spelled(bare)
        if shown in (spelled, spelled.split("//", 1)[-1].rstrip("/")):
            return
        space, self._space = self._space, bool(shown)
        self._write(f"({bare})" if shown else bare)
        self._space = space
