"""Rows as they are, with what their notes say of them.

Of a row that was never written again the note is asked, after the row: a claim that it has then is the row's. Whoever
wants to write such a row and has no claim of it first has the note say that it is `apart`. So a claim by the note and
another's change of the row exclude each other in one item, and between all others the row's own revision decides. A row
whose note is gone speaks for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause
from kakitome.ledgers.dynamodb import keys, notes
from kakitome.ledgers.dynamodb.breath import in_breaths
from kakitome.ledgers.dynamodb.codec import unpack_message
from kakitome.ledgers.dynamodb.items import Image, body_item, bytes_of, image_of, message_id, message_item, told_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.dynamodb.notes import Note, NotedClaim
from kakitome.ledgers.dynamodb.schema import REVISION
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ledgers.dynamodb.together import each_together
from kakitome.ledgers.memory.book import Book
from kakitome.ledgers.memory.messages import take_in_hand
from kakitome.ports.rows import Claiming

TRIES: Final = 100

Rule = Callable[[Note | None], Note | None]
"""What the note becomes; None: it stays as it is."""
ByRow = Mapping[bytes, NotedClaim]


class Noted:
    def __init__(self, table: Table, book: Callable[[], Book], token: Callable[[], bytes]) -> None:
        self._table = table
        self._book = book
        self._token = token

    # ── Looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def images(self, items: Iterable[Item], known: Mapping[Key, Note] | None = None) -> dict[MessageId, Image]:
        """`known` are notes as they were not after the items were read."""
        there = list(items)
        told = await self._told(there, known or {})
        return {message_id(item): self._image(item, told) async for item in in_breaths(there)}

    async def read(self, names: Iterable[NoteName]) -> dict[NoteName, Note]:
        """The notes at these places as they are now, by the names that they have."""
        read = await self._table.get_many({name.key for name in names})
        there = ((key, notes.unpack(bytes_of(item))) for key, item in read.items())
        return {name_of(key, note): note for key, note in there}

    async def _told(self, items: Sequence[Item], known: Mapping[Key, Note]) -> dict[NoteName, ByRow]:
        """What the notes say that rows among the items name, by their names."""
        wanted = {name for item in items if (name := name_in(item)) is not None}
        told = {name_of(key, note): note for key, note in known.items()}
        # Where a page's note was another one before its rows were read, that one says nothing of them.
        if lacking := wanted - told.keys():
            told |= await self.read(lacking)
        return {name: told[name].by_row() for name in wanted if name in told}

    def _image(self, item: Item, told: Mapping[NoteName, ByRow]) -> Image:
        image, name = image_of(item), name_in(item)
        if name is None or name not in told:
            return image
        claim = told[name].get(notes.row(message_id(item)))
        body = image.body if claim is None else self.in_hand(image.body, claim)
        return Image(body, image.revision, note=name.name, is_claimed=claim is not None)

    def in_hand(self, body: bytes, claim: NotedClaim) -> bytes:
        """The row as it is by this claim."""
        book, there = self._book(), unpack_message(body)
        assert book.change(there.message, Cause.CLAIMED, claim.at)
        claiming = Claiming(claim.worker, claim.lane, claim.lease)
        take_in_hand(book, there.message, Cause.CLAIMED, claiming, claim.at)
        return bytes_of(message_item(there, told_of(book.journal, there.message.id)))

    # ── Changing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def change(self, key: Key, rule: Rule) -> Note | None:
        """The note as it is then; None: there is none."""
        there = await self._table.get(key)
        for _ in range(TRIES):
            image = image_of(there) if there else None
            note = None if image is None else notes.unpack(image.body)
            new = rule(note)
            if new is None or new == note:
                return note
            there = await self._table.put(note_item(key, note, new), image.revision if image else None, self._token())
            if there is None:
                return new
        raise LedgerUnavailable("Too many others change the same page at the same time.", "It is tried again later.")

    async def set_apart(self, waiting: Mapping[MessageId, str]) -> set[MessageId]:
        """These rows, given with the names of their notes, shall speak for themselves. Answers those that were claimed
        meanwhile: they are as their claims say."""
        claimed = await each_together(list(by_note(waiting).items()), self._set_apart)
        return {id for some in claimed for id in some}

    async def _set_apart(self, those: tuple[NoteName, Sequence[MessageId]]) -> set[MessageId]:
        name, ids = those

        def rule(note: Note | None) -> Note | None:
            if note is None or not name.is_of(note):
                return None
            return note.with_apart(sorted(note.free(map(notes.row, ids))))

        note = await self.change(name.key, rule)
        by_row = note.by_row() if note is not None and name.is_of(note) else {}
        return {id for id in ids if notes.row(id) in by_row}


class NoteName(NamedTuple):
    """How rows name a note."""

    run: RunId
    name: str

    @property
    def key(self) -> Key:
        return Key(keys.notes(self.run), self.name.partition(notes.BETWEEN)[0])

    def is_of(self, note: Note) -> bool:
        return notes.named(self.key.sk, note) == self.name


def by_note(waiting: Mapping[MessageId, str]) -> dict[NoteName, Sequence[MessageId]]:
    """Rows, given with the names of their notes."""
    found: dict[NoteName, list[MessageId]] = {}
    for id, name in waiting.items():
        found.setdefault(NoteName(keys.run_of(id), name), []).append(id)
    return dict(found)


def name_in(item: Item) -> NoteName | None:
    """Of the note that a row names, if it does."""
    name = item.get("p")
    return NoteName(keys.run_of(message_id(item)), name) if isinstance(name, str) else None


def name_of(key: Key, note: Note) -> NoteName:
    run = keys.campaign_of(key.pk)
    assert run is not None
    return NoteName(run, notes.named(key.sk, note))


def note_item(key: Key, before: Note | None, new: Note) -> Item:
    """The note as it shall lie there. Its claims that are new are told to the journal."""
    known = {claim.mark for claim in before.claims} if before is not None else set[bytes]()
    fresh = sum(claim.mark not in known for claim in new.claims)
    item = body_item(key, notes.pack(new)) | {"j": fresh or None}
    return item if before is not None else item | {REVISION: notes.first_revision(new)}
