"""Claims become contents: rows by their campaign's pinned template, single mails by what was handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from kakitome.core.content import Charset, Content, Mailbox
from kakitome.core.errors import KakitomeError, NotFound
from kakitome.core.ids import SubmissionId
from kakitome.core.message import Claimed, Run
from kakitome.core.submission import Stored
from kakitome.core.template import TemplateSource
from kakitome.ports.messages import Messages
from kakitome.ports.records import Templates, TemplateVersion
from kakitome.rendering.template import CompiledTemplate, compile_template

_variables = msgspec.json.Decoder(dict[str, str]).decode
_stored = msgspec.json.Decoder(Stored).decode
_source = msgspec.json.Decoder(TemplateSource).decode


class TemplateRenderer:
    """See `ports.renderer.Renderer`. Versions are immutable, so compiled ones are kept."""

    def __init__(self, templates: Templates, messages: Messages) -> None:
        self._templates = templates
        self._messages = messages
        self._compiled = lru_cache(maxsize=64)(_compile)

    async def render(self, run: Run, claims: Sequence[Claimed]) -> list[Content | KakitomeError]:
        if run.campaign:
            return await self._rows(run, claims)
        submissions = {claimed.submission for claimed in claims if claimed.submission is not None}
        contents = await self._messages.contents(sorted(submissions))
        made: dict[SubmissionId, Content | KakitomeError] = {}
        for submission, stored in contents.items():
            made[submission] = await self._single(_stored(stored))
        lost = NotFound("What was handed in is not kept any more.", "Hand the mail in again.")
        return [made.get(c.submission, lost) if c.submission is not None else lost for c in claims]

    def needs(self, template: TemplateVersion) -> frozenset[str]:
        return self._compiled(template).names

    def preview(self, template: TemplateVersion, variables: Mapping[str, str], to: Mailbox) -> Content:
        return self._compiled(template).render(variables, to)

    async def _rows(self, run: Run, claims: Sequence[Claimed]) -> list[Content | KakitomeError]:
        if run.template is None:
            return [NotFound(f"The campaign {run.name!r} has no template.") for _ in claims]
        compiled = self._compiled(await self._templates.pinned(run.template))
        contents: list[Content | KakitomeError] = []
        for claimed in claims:
            try:
                contents.append(compiled.render(_variables(claimed.variables), Mailbox(claimed.address)))
            except KakitomeError as error:
                contents.append(error)
        return contents

    async def _single(self, stored: Stored) -> Content | KakitomeError:
        """The envelope stays as it was handed in; the template fills subject and bodies."""
        if stored.template is None:
            return stored.content
        try:
            compiled = self._compiled(await self._templates.pinned(stored.template))
            variables = {name: str(value) for name, value in stored.variables.items()}
            people = (*stored.content.to, *stored.content.cc, stored.content.sender)  # all others may be in Bcc
            filled = compiled.render(variables, people[0])
        except KakitomeError as error:
            return error
        charset = filled.charset if stored.content.charset is Charset.UTF_8 else stored.content.charset
        return msgspec.structs.replace(
            stored.content, subject=filled.subject, text=filled.text, html=filled.html, charset=charset
        )


def _compile(template: TemplateVersion) -> CompiledTemplate:
    return compile_template(_source(template.source))
