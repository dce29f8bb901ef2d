"""Does a mail say what Japan asks of advertising mail (特定電子メールの送信の適正化等に関する法律)?

Its article 4 and the ministry's ordinance to it (施行規則): the sender's name; that and where one can refuse; and, in
the mail or on a page that it links to, the sender's postal address and where to complain or ask. What is looked at is
what a reader would see: the text part, and of the html its visible words and its links.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser

import msgspec

from kakitome.core.content import Content


class Imprint(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends: name, postal address, and where to complain or ask (mail, telephone or URL), as mails show them.
    `page` is a URL where address and contact are, for mails that only link to it."""

    name: str = ""
    address: str = ""
    contact: str = ""
    page: str = ""


class Missing(msgspec.Struct, frozen=True, order=True):
    """What a part (`html` or `text`) of a mail lacks: `link`, `name`, `address` or `contact`."""

    part: str
    what: str


_REMEDY = {
    "link": "the link to unsubscribe: write {{ unsubscribe_url }}",
    "name": "the sender's name, {name!r}: write {{{{ sender_name }}}}",
    "address": "the sender's postal address, {address!r}: write {{{{ sender_address }}}}, or link to [sender] page",
    "contact": "where to complain or ask, {contact!r}: write {{{{ sender_contact }}}}, or link to [sender] page",
}


def missing(content: Content, imprint: Imprint, link: str) -> set[Missing]:
    """What each part of the mail lacks. What the imprint does not know cannot be looked for: see `unknown`."""
    lacking: set[Missing] = set()
    for part, words, links in _parts(content):
        if link not in links:
            lacking.add(Missing(part, "link"))
        if not _has(words, imprint.name):
            lacking.add(Missing(part, "name"))
        if imprint.page and imprint.page in links:
            continue
        lacking |= {
            Missing(part, what)
            for what, wanted in (("address", imprint.address), ("contact", imprint.contact))
            if not _has(words, wanted)
        }
    return lacking


def unknown(imprint: Imprint) -> list[str]:
    """The keys of [sender] without which nobody can say whether a mail has what it must."""
    wanted = ("name",) if imprint.page else ("name", "address", "contact")
    return [key for key in wanted if not getattr(imprint, key)]


def told(lacking: set[Missing], imprint: Imprint) -> list[str]:
    """A sentence for each, in an order that does not change."""
    words = msgspec.structs.asdict(imprint)
    return [
        f"The {m.part} part does not have {_REMEDY[m.what].format(**words) if m.what != 'link' else _REMEDY['link']}."
        for m in sorted(lacking)
    ]


def _parts(content: Content) -> Iterator[tuple[str, str, str]]:
    """Each part with its words and with the text in which links are looked for."""
    if content.html is not None:
        seen = _Seen()
        seen.feed(content.html)
        seen.close()
        yield "html", _plain("".join(seen.words)), "\n".join(seen.links)
    if content.text is not None:
        yield "text", _plain(content.text), content.text


def _has(words: str, wanted: str) -> bool:
    return _plain(wanted) in words


def _plain(text: str) -> str:
    """Without the differences that a reader does not see: width, case, spaces and line breaks."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_UNSEEN = frozenset(("head", "script", "style", "template", "title"))


class _Seen(HTMLParser):
    """The words that an html part shows, and where its links lead. What is not displayed does not count."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[str] = []
        self._open: list[tuple[str, bool]] = []

    @property
    def _hidden(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        style = "".join(given.get("style", "").lower().split())
        hidden = self._hidden or tag in _UNSEEN or "display:none" in style or "hidden" in given
        if tag not in _VOID:
            self._open.append((tag, hidden))
        if not hidden and tag == "a" and given.get("href"):
            self.links.append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        if any(name == tag for name, _ in self._open):  # what was left open inside ends with it
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)
