"""Rows that were seen waiting behind notes to which nobody adds any: which of them still do, their notes say.

A row that waits is as it was, so a look for work asks notes that it knows for a few hundred octets each, and reads the
next page when all rows of these are taken.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from kakitome.core.ids import MessageId, RunId
from kakitome.ledgers.dynamodb import notes
from kakitome.ledgers.dynamodb.breath import in_breaths
from kakitome.ledgers.dynamodb.codec import unpack_message
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.dynamodb.noted import NoteName
from kakitome.ledgers.dynamodb.notes import Note
from kakitome.ledgers.memory.book import Message

MOST: Final = 8
"""Notes of a run whose rows are remembered, those that were read last."""


class _Seen(NamedTuple):
    sources: frozenset[str]
    ids: tuple[MessageId, ...]


class PagesSeen:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._by_run: dict[RunId, OrderedDict[NoteName, _Seen]] = {}

    def remember(self, name: NoteName, note: Note, rows: Iterable[Message]) -> None:
        """`rows` are all that wait behind a note to which nobody adds any."""
        images = self._desk.seen(m.id for m in rows)
        ids = tuple(id for id, image in images.items() if image.waits and image.note == name.name)
        known = self._by_run.setdefault(name.run, OrderedDict())
        known.pop(name, None)
        if ids:
            known[name] = _Seen(note.sources, ids)
        if len(known) > MOST:
            known.popitem(last=False)

    async def waiting(self, run: RunId) -> dict[Key, list[Message]]:
        """By their notes, all rows that wait behind these now."""
        known = self._by_run.get(run)
        if not known:
            return {}
        there = await self._desk.noted.read(known)
        found = {}
        for name, seen in list(known.items()):
            note = there.get(name)
            if note is not None and note.sources == seen.sources and (free := await self._free(note, seen)):
                found[name.key] = free
            else:
                known.pop(name, None)
        return found

    async def _free(self, note: Note, seen: _Seen) -> list[Message]:
        """None of them where one is not remembered any more, or where the note does not tell those that wait."""
        free = note.free(map(notes.row, seen.ids))
        ids = [id for id in seen.ids if notes.row(id) in free]
        images = self._desk.seen(ids)
        if any(id not in images or not images[id].waits for id in ids):
            return []
        return [unpack_message(image.body).message async for image in in_breaths(images.values())]
