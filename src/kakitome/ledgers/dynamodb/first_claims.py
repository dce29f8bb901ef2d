"""Rows that wait are claimed by their notes: with one write all of a note that a claim takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId
from kakitome.core.message import Claimed
from kakitome.ledgers.dynamodb import notes
from kakitome.ledgers.dynamodb.breath import in_breaths
from kakitome.ledgers.dynamodb.codec import unpack_message
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.items import Image, bytes_of, message_item, told_of
from kakitome.ledgers.dynamodb.noted import NoteName, by_note
from kakitome.ledgers.dynamodb.notes import Note, NotedClaim
from kakitome.ledgers.dynamodb.together import each_together
from kakitome.ledgers.memory.messages import MemoryMessages
from kakitome.ports.rows import Claiming


class Wanted(NamedTuple):
    """A row of a list (`digest`) that may be claimed: the claim, and the row as it is by that."""

    claimed: Claimed
    digest: str
    image: Image


class FirstClaims:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def claim(
        self, ids: Sequence[MessageId], claiming: Claiming, now: int, trouble: list[LedgerUnavailable]
    ) -> dict[MessageId, Claimed]:
        """Answers the claims. Why some could not be written, or are not known to be, is in `trouble`."""
        images = await self._desk.images(ids)
        waiting = {id: image for id, image in images.items() if image.waits}
        wanted = await self._wanted(waiting, claiming, now)
        claims: dict[MessageId, Claimed] = {}

        async def take(those: tuple[NoteName, Sequence[MessageId]]) -> None:
            name, ids_there = those
            try:
                taken = await self._take(name, [wanted[id] for id in ids_there], claiming, now)
            except LedgerUnavailable as error:
                trouble.append(error)
                return
            for id in taken:
                claims[id] = wanted[id].claimed
                self._desk.keep(id, wanted[id].image)

        await each_together(list(by_note({id: waiting[id].note for id in wanted}).items()), take)
        return claims

    async def left(self, ids: Sequence[MessageId]) -> list[MessageId]:
        """Those that may be claimed by themselves. What waits no more may have come back since it was seen."""
        seen = self._desk.seen(ids)
        images = await self._desk.images(ids, {id for id, image in seen.items() if image.waits})
        return [id for id, image in images.items() if not image.is_claimed]

    async def _wanted(self, rows: Mapping[MessageId, Image], claiming: Claiming, now: int) -> dict[MessageId, Wanted]:
        shelves = {id: unpack_message(image.body) async for id, image in in_breaths(rows.items())}
        cases = await self._desk.cases.of({there.message.run for there in shelves.values()})
        wanted = {}
        async for id, there in in_breaths(shelves.items()):
            book = self._desk.book()
            book.messages[id] = there.message
            book.runs = {run: case.book for run, case in cases.items()}
            digest = there.message.source.digest if there.message.source else ""
            worker, lane, lease = claiming.worker, claiming.lane, claiming.lease
            for claimed in at_once(MemoryMessages(book).claim([id], worker, lane, lease, now)):
                body = bytes_of(message_item(there, told_of(book.journal, id)))
                wanted[id] = Wanted(claimed, digest, replace(rows[id], body=body, is_claimed=True))
        return wanted

    async def _take(self, name: NoteName, wanted: Sequence[Wanted], claiming: Claiming, now: int) -> list[MessageId]:
        """Those that nobody else has, by one write."""
        mark = self._desk.token()

        def rule(note: Note | None) -> Note | None:
            if note is None or not name.is_of(note) or any(claim.mark == mark for claim in note.claims):
                return None
            rows = note.free(notes.row(one.claimed.id) for one in wanted)
            free = [one for one in wanted if notes.row(one.claimed.id) in rows]
            return self._with(note, name, free, claiming, mark, now) if free else None

        note = await self._desk.noted.change(name.key, rule)
        if note is None:
            return []
        return [id for claim in note.claims if claim.mark == mark for id in notes.rows_of(name.run, claim)]

    def _with(
        self, note: Note, name: NoteName, free: Sequence[Wanted], claiming: Claiming, mark: bytes, now: int
    ) -> Note:
        by_list: dict[str, list[bytes]] = {}
        for one in free:
            by_list.setdefault(one.digest, []).append(notes.row(one.claimed.id))
        new = (
            NotedClaim(mark, now, claiming.worker, claiming.lane, claiming.lease, digest, b"".join(rows))
            for digest, rows in by_list.items()
        )
        # What this process knows to speak for itself by now needs no claim in the note.
        note = note.shortened(name.run, self._desk.is_past).claimed(claiming.worker, claiming.lease)
        return note.with_claims(new)
