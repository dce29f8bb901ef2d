"""How claims become contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from kakitome.core.content import Content, Mailbox
from kakitome.core.errors import KakitomeError
from kakitome.core.message import Claimed, Run
from kakitome.ports.records import TemplateVersion


class Renderer(Protocol):
    async def render(self, run: Run, claims: Sequence[Claimed]) -> list[Content | KakitomeError]:
        """The content of each claim, in order; an error stands in the place of what cannot be made.

        Equal claims give equal contents: what a template reads is pinned by its run or stored with its submission.
        """
        ...

    def of(self, stream: str) -> Renderer:
        """The same, where `needs` and `preview` are this stream's: it knows what the stream's mails are given."""
        ...

    def needs(self, template: TemplateVersion) -> frozenset[str]:
        """The variables that the template reads."""
        ...

    def preview(self, template: TemplateVersion, variables: Mapping[str, str], to: Mailbox) -> Content:
        """The content for these variables. Raises `TemplateError`, naming what is missing and where."""
        ...
