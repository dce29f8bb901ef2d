"""What is written into notes before rows come."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.ids import MessageId, RunId
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.noted import note_item
from kakitome.ledgers.dynamodb.notes import BIRTH, Note, named, short
from kakitome.ledgers.dynamodb.together import each_together

HELD = 15 * 60_000
"""Milliseconds for which whoever has announced rows may put them there."""
RENEWED = 5 * 60_000


class Announcing:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._announced: dict[tuple[RunId, int], Note] = {}

    async def announce(
        self, run: RunId, digest: str, rows: Sequence[tuple[MessageId, str]], now: int
    ) -> dict[MessageId, str]:
        """Rows of a list, given with their paces, will be put onto their pages within `HELD`. Answers the names of
        their notes."""
        paces: dict[int, set[str]] = {}
        for id, pace in rows:
            paces.setdefault(keys.page_of(id), set()).add(pace)

        async def announced(page: int) -> None:
            known = self._announced.get((run, page))
            is_fresh = known is not None and known.held >= now + HELD - RENEWED and short(digest) in known.sources
            if known is None or not is_fresh or not paces[page] <= known.paces:
                self._announced[run, page] = await self._announce(run, page, digest, paces[page], now)

        await each_together(list(paces), announced)
        by_page = {page: named(keys.note(run, page).sk, self._announced[run, page]) for page in paces}
        return {id: by_page[keys.page_of(id)] for id, _ in rows}

    async def name(
        self, run: RunId, digest: str, rows: Sequence[tuple[MessageId, str]], now: int, worker: str, lease: int
    ) -> str:
        """These rows of a list, given with their paces, will be put there within `HELD`; `worker` has claimed them
        until `lease` ("" and 0: nobody has). Answers the note's name."""
        note = Note(
            page=-1,
            held=now + HELD,
            lease=lease,
            workers=frozenset([worker] if worker else ()),
            paces=frozenset(pace for _, pace in rows),
            ids=tuple(id for id, _ in rows),
            sources=frozenset([short(digest)]),
            first=lease,
        )
        token = self._desk.token()
        key = keys.named_note(run, token)
        await self._desk.table.put(note_item(key, None, note), None, token)
        return named(key.sk, note)

    async def _announce(self, run: RunId, page: int, digest: str, paces: set[str], now: int) -> Note:
        birth = self._desk.token()[-BIRTH:]

        def rule(note: Note | None) -> Note:
            note = note or Note(page, 0, birth=birth)
            held, sources = max(note.held, now + HELD), note.sources | {short(digest)}
            return msgspec.structs.replace(note, held=held, paces=note.paces | paces, sources=sources)

        changed = await self._desk.noted.change(keys.note(run, page), rule)
        assert changed is not None
        return changed
