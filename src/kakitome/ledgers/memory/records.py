"""Templates and the journal."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.errors import NotFound
from kakitome.core.ids import MessageId, RunId
from kakitome.core.message import Entry
from kakitome.ledgers.memory.book import Book
from kakitome.ports.records import TemplateVersion


class MemoryTemplates:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def put(self, name: str, digest: str, source: bytes, now: int) -> TemplateVersion:
        newest = self._newest(name)
        if newest is not None and newest.digest == digest:
            return newest
        version = newest.version + 1 if newest else 1
        put = TemplateVersion(len(self._book.templates) + 1, name, version, digest, source, now)
        self._book.templates.append(put)
        self._book.enter(now, "template_put", name=name, version=version, digest=digest)
        return put

    async def get(self, name: str) -> TemplateVersion | None:
        return self._newest(name)

    async def pinned(self, id: int) -> TemplateVersion:
        for template in self._book.templates:
            if template.id == id:
                return template
        raise NotFound(f"There is no template version {id}.")

    async def list(self) -> Sequence[TemplateVersion]:
        newest = {template.name: template for template in self._book.templates}
        return [newest[name] for name in sorted(newest)]

    def _newest(self, name: str) -> TemplateVersion | None:
        return next((t for t in reversed(self._book.templates) if t.name == name), None)


class MemoryJournal:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def read(self, after: int, n: int) -> list[Entry]:
        return [entry for entry in self._book.journal if entry.seq > after][:n]

    async def of(self, message: MessageId) -> list[Entry]:
        return [entry for entry in self._book.journal if entry.message == message]

    async def paused(self, run: RunId) -> Entry | None:
        kinds = ("campaign_paused", "guard_paused")
        return next((e for e in reversed(self._book.journal) if e.run == run and e.kind in kinds), None)

    async def note(self, kind: str, data: dict[str, object], now: int) -> None:
        self._book.note(now, kind, data)
