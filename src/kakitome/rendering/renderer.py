"""Claims become contents: rows by their campaign's pinned template, single mails by what was handed in."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from kakitome.core.content import Charset, Content, Mailbox
from kakitome.core.errors import KakitomeError, NotFound
from kakitome.core.ids import SubmissionId
from kakitome.core.message import Claimed, Run
from kakitome.core.submission import Stored
from kakitome.core.template import TemplateSource
from kakitome.core.unsubscribe import VARIABLE, Letterhead, with_fields
from kakitome.ports.messages import Messages
from kakitome.ports.records import Templates, TemplateVersion
from kakitome.rendering.stationery import NO_STATIONERY, Stationery
from kakitome.rendering.template import CompiledTemplate, compile_template

PINNED = 64  # versions of templates

_variables = msgspec.json.Decoder(dict[str, str]).decode
_stored = msgspec.json.Decoder(Stored).decode
_source = msgspec.json.Decoder(TemplateSource).decode


class TemplateRenderer:
    """See `ports.renderer.Renderer`. Versions are immutable, so compiled ones are kept.

    What every mail of a stream carries (its letterhead) goes over what the author wrote, and over a row's columns.
    """

    def __init__(self, templates: Templates, messages: Messages, stationery: Stationery = NO_STATIONERY) -> None:
        self._templates = templates
        self._messages = messages
        self._stationery = stationery
        self._stream = ""
        self._compiled = lru_cache(maxsize=PINNED)(_compile)
        self._pinned: dict[int, TemplateVersion] = {}

    def of(self, stream: str) -> TemplateRenderer:
        """The same, where what is previewed is this stream's."""
        mine = copy.copy(self)
        mine._stream = stream
        return mine

    async def render(self, run: Run, claims: Sequence[Claimed]) -> list[Content | KakitomeError]:
        letterhead = self._stationery.letterhead(run.stream)
        signer = await self._stationery.signer()
        links = [letterhead.link(signer.token(claimed.id)) for claimed in claims]
        made = await (self._rows if run.campaign else self._singles)(run, claims, letterhead, links)
        fields = map(letterhead.fields, links)
        return [_with(content, ours) if ours else content for content, ours in zip(made, fields, strict=True)]

    def needs(self, template: TemplateVersion) -> frozenset[str]:
        return self._compiled(template).names - {VARIABLE} - self._letterhead.given.keys()

    def preview(self, template: TemplateVersion, variables: Mapping[str, str], to: Mailbox) -> Content:
        letterhead = self._letterhead
        return self._compiled(template).render({**variables, **letterhead.variables(letterhead.sample)}, to)

    async def _version(self, id: int) -> TemplateVersion:
        if (known := self._pinned.get(id)) is None:
            if len(self._pinned) >= PINNED:
                self._pinned.clear()
            known = self._pinned[id] = await self._templates.pinned(id)
        return known

    @property
    def _letterhead(self) -> Letterhead:
        return self._stationery.letterhead(self._stream)

    async def _rows(
        self, run: Run, claims: Sequence[Claimed], letterhead: Letterhead, links: Sequence[str]
    ) -> list[Content | KakitomeError]:
        if run.template is None:
            return [NotFound(f"The campaign {run.name!r} has no template.") for _ in claims]
        compiled = self._compiled(await self._version(run.template))
        contents: list[Content | KakitomeError] = []
        for claimed, link in zip(claims, links, strict=True):
            try:
                row = {**_variables(claimed.variables), **letterhead.variables(link)}
                contents.append(compiled.render(row, Mailbox(claimed.address)))
            except KakitomeError as error:
                contents.append(error)
        return contents

    async def _singles(
        self, run: Run, claims: Sequence[Claimed], letterhead: Letterhead, links: Sequence[str]
    ) -> list[Content | KakitomeError]:
        submissions = {claimed.submission for claimed in claims if claimed.submission is not None}
        contents = await self._messages.contents(sorted(submissions))
        known: dict[SubmissionId | None, Stored] = {id: _stored(stored) for id, stored in contents.items()}
        lost = NotFound("What was handed in is not kept any more.", "Hand the mail in again.")
        return [
            await self._single(known[claimed.submission], letterhead.variables(link))
            if claimed.submission in known
            else lost
            for claimed, link in zip(claims, links, strict=True)
        ]

    async def _single(self, stored: Stored, ours: Mapping[str, str]) -> Content | KakitomeError:
        """The envelope stays as it was handed in; the template fills subject and bodies."""
        if stored.template is None:
            return stored.content
        try:
            compiled = self._compiled(await self._version(stored.template))
            variables = {name: str(value) for name, value in stored.variables.items()}
            people = (*stored.content.to, *stored.content.cc, stored.content.sender)  # all others may be in Bcc
            filled = compiled.render({**variables, **ours}, people[0])
        except KakitomeError as error:
            return error
        charset = filled.charset if stored.content.charset is Charset.UTF_8 else stored.content.charset
        return msgspec.structs.replace(
            stored.content, subject=filled.subject, text=filled.text, html=filled.html, charset=charset
        )


def _with(content: Content | KakitomeError, fields: tuple[tuple[str, str], ...]) -> Content | KakitomeError:
    if isinstance(content, KakitomeError):
        return content
    return msgspec.structs.replace(content, headers=with_fields(content.headers, fields))


def _compile(template: TemplateVersion) -> CompiledTemplate:
    return compile_template(_source(template.source))
