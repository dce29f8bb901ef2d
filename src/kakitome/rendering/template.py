"""Templates become mails.

`compile_template` does once what is dear: checks, MJML, CSS, the text for readers without HTML. `render` does for each
row what is cheap: fill in, escape, check. A compiled template belongs to one version and is used for all of its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from kakitome.core.address import parse_address, parse_mailbox
from kakitome.core.content import Charset, Content, Mailbox
from kakitome.core.errors import AddressError, HeaderError, TemplateError
from kakitome.core.headers import check_header_value
from kakitome.core.mime import mime
from kakitome.core.template import TemplateSource
from kakitome.rendering.markup import Markup
from kakitome.rendering.part import SOURCE_LIMIT, Part
from kakitome.rendering.plain import html_to_text, tidy
from kakitome.rendering.segments import Kind, Segment, split, without_lonely_lines


class CompiledTemplate:
    """A template that is ready for its rows. Immutable; made by `compile_template`.

    `names` are the columns that every row must have.
    """

    def __init__(
        self,
        name: str,
        address: str,
        sender: Part,
        subject: Part,
        html: Part | None,
        text: Part,
        derived: bool,
        charset: Charset,
    ) -> None:
        self.name = name
        self._charset = charset
        self._address = address
        self._sender = sender
        self._subject = subject
        self._html = html
        self._text = text
        self._derived = derived
        parts = [part for part in (sender, subject, html, text) if part is not None]
        self.names = frozenset[str]().union(*(part.needs.columns for part in parts))

    def missing(self, columns: Iterable[str]) -> set[str]:
        """Which columns a list lacks; empty means that it fits."""
        return set(self.names.difference(columns))

    def render(self, variables: Mapping[str, str], to: Mailbox) -> Content:
        """The mail for one row. Equal rows give equal content.

        Raises TemplateError: a column is missing (`data["missing"]`), the subject is empty, subject or sender's name
        has a control character, or a part comes out too long (`data["part"]` and, where there is one, `data["line"]`).
        """
        lacking = self.names - variables.keys()
        if lacking:
            columns = ", ".join(sorted(lacking))
            remedy = f"Add {'them' if len(lacking) > 1 else 'it'} to the list, or write {{{{ name|default('…') }}}}."
            raise TemplateError(f"The row has no {columns}.", remedy, missing=sorted(lacking))
        context = {**variables, "row": dict(variables)}
        longest = max(map(len, variables.values()), default=1) or 1
        text = self._text.render(context, longest)
        return Content(
            sender=Mailbox(self._address, _one_line(self._sender.render(context, longest).strip(), "from")),
            to=(to,),
            subject=_subject(self._subject.render(context, longest).strip()),
            text=tidy(text) + "\n" if self._derived else text,
            html=None if self._html is None else self._html.render(context, longest),
            charset=self._charset,
        )


class Preview(msgspec.Struct, frozen=True):
    """What one row would get: as content, and as the bytes that an SMTP server would see."""

    content: Content
    raw: bytes


def compile_template(source: TemplateSource) -> CompiledTemplate:
    """Check a template and prepare it. Raises TemplateError with `data["line"]` and `data["part"]`."""
    if source.html is not None and source.mjml is not None:
        raise TemplateError("The template has both html and mjml.", "Give one of them.", line=1, part="mjml")
    for part, given in (
        ("subject", source.subject),
        ("html", source.html),
        ("mjml", source.mjml),
        ("text", source.text),
    ):
        if given is not None and len(given) > SOURCE_LIMIT:
            what = f"The {part} is longer than {SOURCE_LIMIT} characters."
            raise TemplateError(what, "Shorten it; pictures go by URL or as attachments.", line=1, part=part)
        if given is not None and not given.strip():
            raise TemplateError(f"The {part} is empty.", "Write it or leave it out.", line=1, part=part)
    sender = _sender(source.sender)
    markup = _markup(source)
    text, derived = _text_segments(source.text, markup)
    return CompiledTemplate(
        source.name,
        sender.address,
        Part("from", split(sender.name, "from")),
        Part("subject", split(source.subject, "subject")),
        None if markup is None else Part(markup.part, markup.restored(), escape=True),
        Part("text", text),
        derived,
        source.charset,
    )


def preview(
    template: CompiledTemplate, variables: Mapping[str, str], to: Mailbox, *, message_id: str, date: datetime
) -> Preview:
    """Render one row and show it; nothing is stored or sent. Raises what `render` and `mime` raise."""
    content = template.render(variables, to)
    return Preview(content, mime(content, message_id=message_id, date=date))


def _sender(sender: Mailbox | str) -> Mailbox:
    try:
        mailbox = parse_mailbox(sender) if isinstance(sender, str) else sender
        if "{{" in mailbox.address or "{%" in mailbox.address:
            raise AddressError(
                "The sender's address has a variable.", "Only the name may have one: DKIM needs a domain."
            )
        parse_address(mailbox.address, allow_local_domain=True)
    except AddressError as error:
        raise TemplateError(f"The sender: {error.what}", error.remedy, line=1, part="from") from None
    return mailbox


def _markup(source: TemplateSource) -> Markup | None:
    """The HTML with marks for tags, MJML compiled and CSS inlined. The parts are read before, for their own lines."""
    part, given = ("html", source.html) if source.mjml is None else ("mjml", source.mjml)
    if given is None:
        return None
    segments = split(given, part)
    Part(part, segments, escape=True)
    markup = Markup(segments, part)
    if part == "mjml":
        markup.compile_mjml()
    markup.inline_css()
    return markup


def _text_segments(text: str | None, markup: Markup | None) -> tuple[list[Segment], bool]:
    if text is not None:
        return without_lonely_lines(split(text, "text")), False
    if markup is None:
        raise TemplateError("The template has no body.", "Give html, mjml or text.", line=1, part="text")
    derived = markup.restore(html_to_text(markup.html, markup.spelled))
    if not any(segment.kind is not Kind.COMMENT and segment.source.strip() for segment in derived):
        what = "The html has nothing that could be read as text."
        raise TemplateError(what, "Give the pictures an alt text, or write a text part.", line=1, part=markup.part)
    return derived, True


def _subject(subject: str) -> str:
    if not subject:
        raise TemplateError("The subject comes out empty.", "Give it words that every row has.", part="subject")
    return _one_line(subject, "subject")


def _one_line(value: str, part: str) -> str:
    try:
        check_header_value(value, part)
    except HeaderError as error:
        raise TemplateError(error.what, "Correct the row: this value goes into a header.", part=part) from None
    return value
