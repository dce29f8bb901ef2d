"""The pages of a campaign: which of them have rows whose first attempt is not over.

A page has a note of its own as long as it may have such rows. Rows that come by themselves (a child of a Distributed
Map has some hundred, each on another page) share a note that names them. Whoever finds nothing left behind a note
throws it away. Rows that come back later (a retry, a doubt, a person's word) are in the open index and need no note. So
a row costs no write beside its own, and a sweeper reads notes, not rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import State
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.announcing import RENEWED
from kakitome.ledgers.dynamodb.breath import in_breaths
from kakitome.ledgers.dynamodb.codec import Case, unpack_message
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import bytes_of, image_of, is_behind_note, message_id
from kakitome.ledgers.dynamodb.marshal import Item, key_of
from kakitome.ledgers.dynamodb.noted import name_of, note_item
from kakitome.ledgers.dynamodb.notes import Note, short, unpack
from kakitome.ledgers.dynamodb.pages_seen import PagesSeen
from kakitome.ledgers.memory.book import Message

FEW = 4
"""Notes that a look for work reads first."""
AT_ONCE = 100
"""Rows that are read with one request."""
_STRIDE = 0x9E3779B1


class Pages:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen = PagesSeen(desk)
        self._looks = 0

    async def notes(self, run: RunId) -> list[Note]:
        """As they are now."""
        return [unpack(bytes_of(item)) for item in await self._desk.table.query(keys.notes(run))]

    # ── Rows ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def behind(self, run: RunId, note: Note) -> list[Message]:
        """The rows that a note is about and that are before or in their first attempt, by id."""
        if note.ids:
            rows, _ = await self._named([MessageId(id) for id in note.ids])
            return [rows[id] for id in sorted(rows)]
        items = await self._desk.table.query(keys.page_key(run, note.page))
        images = await self._desk.looked(filter(is_behind_note, items), {keys.note(run, note.page): note})
        return [unpack_message(image.body).message async for image in in_breaths(images.values())]

    async def _named(self, ids: Sequence[MessageId]) -> tuple[dict[MessageId, Message], set[MessageId]]:
        """Those of the rows that are before or in their first attempt, and all that are there."""
        read = await self._desk.table.get_many(map(keys.message, ids))
        images = await self._desk.looked(filter(is_behind_note, read.values()))
        rows = {id: unpack_message(image.body).message async for id, image in in_breaths(images.items())}
        return rows, {message_id(item) for item in read.values()}

    async def _found(self, run: RunId, notes: Sequence[tuple[Item, Note]]) -> AsyncIterator[list[_Found]]:
        """What is behind the notes, in their order, some at a time: rows that notes name are read together. Of children
        with one row each there are as many notes as rows, and by itself each would be a request."""
        for some in _together(notes):
            if not some[0][1].ids:
                [(item, note)] = some
                yield [_Found(item, note, await self.behind(run, note), False)]
                continue
            rows, there = await self._named([MessageId(id) for _, note in some for id in note.ids])
            told = []
            for item, note in some:
                ids = [MessageId(id) for id in sorted(set(note.ids))]
                told.append(_Found(item, note, [rows[id] for id in ids if id in rows], there.issuperset(ids)))
            yield told

    async def first_timers(self, case: Case, now: int) -> AsyncIterator[list[Message]]:
        """Some notes at a time, the rows before or in their first attempt. A note behind which there is none is thrown
        away."""
        run, seen = case.book.run.id, set[MessageId]()
        items = await self._desk.table.query(keys.notes(run))
        async for some in self._found(run, [(item, unpack(bytes_of(item))) for item in items]):
            await self._forget([one for one in some if one.is_over(case, now)])
            yield _once([m for one in some for m in one.rows], seen)

    async def waiting(self, case: Case, now: int, paces: Collection[str] | None = None) -> AsyncIterator[list[Message]]:
        """Some notes at a time, the rows that nobody has claimed yet; None: of any pace. Each look begins at another
        page, so that those who look at the same time do not want the same rows. A note loses the paces of which nothing
        waits any more, and is thrown away where nothing is left: what was claimed and what went are not looked at
        again."""
        run, seen = case.book.run.id, set[MessageId]()
        known = await self._seen.waiting(run)
        yield _once([m for rows in known.values() for m in rows], seen)
        self._looks += 1
        start = f"{self._looks * _STRIDE % (1 << (case.bits or 0)):04x}"
        for since, until in ((start, None), (None, start)):
            async for items in self._some_notes(run, since, until):
                notes = [(item, unpack(bytes_of(item))) for item in items if key_of(item) not in known]
                wanted = [one for one in notes if paces is None or not one[1].paces.isdisjoint(paces)]
                async for some in self._found(run, [one for one in wanted if one[1].paces]):
                    await self._keep(case, some, now)
                    self._remember(case, some, now)
                    yield _once([m for one in some for m in one.rows if m.state is State.QUEUED], seen)

    def _remember(self, case: Case, some: Sequence[_Found], now: int) -> None:
        for one in some:
            if one.is_whole or _is_over(case, one.note, now):
                waiting = (m for m in one.rows if m.state is State.QUEUED)
                self._seen.remember(name_of(key_of(one.item), one.note), one.note, waiting)

    async def claims_over(self, case: Case, silent: Collection[str], now: int) -> AsyncIterator[list[Message]]:
        """Rows behind notes of which a lease may be over, or that a silent worker has claimed."""
        run = case.book.run.id
        notes = [(item, unpack(bytes_of(item))) for item in await self._desk.table.query(keys.notes(run))]
        due = [
            (item, note)
            for item, note in notes
            if note.lease and (note.first <= now or not note.workers.isdisjoint(silent))
        ]
        async for some in self._found(run, due):
            await self._look_later(case, some, now)
            yield [m for one in some for m in one.rows]

    async def _look_later(self, case: Case, some: Sequence[_Found], now: int) -> None:
        """Where no claim is left the note is looked at more and more seldom, and never not at all: whoever brings rows
        with a claim may stand still before them until the lease is long over, or this clock may be ahead."""
        await self._forget([one for one in some if one.is_over(case, now)])
        await self._write((one, one.later(now)) for one in some if not one.is_over(case, now))

    async def _forget(self, over: Sequence[_Found]) -> None:
        asked = [(key_of(one.item), image_of(one.item).revision) for one in over]
        await self._desk.table.delete_many(asked, self._desk.token())

    async def _write(self, changed: Iterable[tuple[_Found, Note]]) -> None:
        """Whoever is slower than another changes nothing."""
        writes = [
            (note_item(key_of(one.item), one.note, new), image_of(one.item).revision)
            for one, new in changed
            if new != one.note
        ]
        await self._desk.table.put_many(writes, self._desk.token())

    async def _some_notes(self, run: RunId, since: str | None, until: str | None) -> AsyncIterator[list[Item]]:
        """A few at a time: mostly the first one has enough."""
        some = FEW
        while True:
            found = await self._desk.table.query(keys.notes(run), since=since, until=until, limit=some)
            yield [item for item in found if until is None or str(item["sk"]) < until]
            if len(found) < some:
                return
            since, some = str(found[-1]["sk"]) + "\0", some * 4

    async def _keep(self, case: Case, some: Sequence[_Found], now: int) -> None:
        """Paces only where nobody puts rows there any more."""
        await self._forget([one for one in some if one.is_over(case, now)])
        left = [one for one in some if one.rows and _is_over(case, one.note, now)]
        await self._write((one, one.waiting()) for one in left)


class _Found(NamedTuple):
    """A note, and the rows behind it that are before or in their first attempt. `is_whole`: it names its rows, and all
    of them are there. Then none can come any more, and a row that is past its first attempt never comes back to it."""

    item: Item
    note: Note
    rows: list[Message]
    is_whole: bool

    def is_over(self, case: Case, now: int) -> bool:
        return not self.rows and (self.is_whole or _is_over(case, self.note, now))

    def waiting(self) -> Note:
        queued = frozenset(m.pace for m in self.rows if m.state is State.QUEUED)
        return msgspec.structs.replace(self.note, paces=queued)

    def later(self, now: int) -> Note:
        note = self.note
        if note.lease <= now and all(m.state is State.QUEUED for m in self.rows):
            return msgspec.structs.replace(note, first=now + max(RENEWED, now - note.lease), workers=frozenset())
        first = min((m.lease for m in self.rows if m.lease is not None), default=note.lease)
        return msgspec.structs.replace(note, first=first)


def _together(notes: Sequence[tuple[Item, Note]]) -> Iterator[list[tuple[Item, Note]]]:
    """Notes of pages by themselves; those that name rows up to as many rows as are read with one request."""
    some: list[tuple[Item, Note]] = []
    for one in notes:
        rows = sum(len(note.ids) for _, note in some)
        if some and not (one[1].ids and some[0][1].ids and rows + len(one[1].ids) <= AT_ONCE):
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def _once(found: Iterable[Message], seen: set[MessageId]) -> list[Message]:
    """Several notes may name one row: whoever brought it did so again."""
    new = list({m.id: m for m in found if m.id not in seen}.values())
    seen.update(m.id for m in new)
    return new


def _is_over(case: Case, note: Note, now: int) -> bool:
    """Whether nobody puts rows behind this note any more. Where it names lists, all of them have to be closed: a clock
    that is ahead must not forget the page of a list that still comes in. Lists of a cancelled campaign were closed by
    whoever cancelled it, and somebody may be about to put their rows there."""
    if note.sources and case.book.run.state != "cancelled":
        return note.sources <= {short(source.digest) for source in case.imports if source.sealed}
    return note.held < now
