"""The pages of a campaign: which of them have rows whose first attempt is not over.

A page has a note of its own as long as it may have such rows: until when somebody puts rows in, when the last lease
on it ends, and who claimed. Rows that come by themselves (a child of a Distributed Map has some hundred, each on
another page) share a note that names them. Whoever finds nothing left behind a note throws it away. Rows that come
back later (a retry, a doubt) are in the open index and need no note. So a row costs no write beside its own, and a
sweeper reads notes, not rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import State
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.breath import in_breaths
from kakitome.ledgers.dynamodb.codec import Case, unpack_message
from kakitome.ledgers.dynamodb.desk import TRIES, Desk
from kakitome.ledgers.dynamodb.items import body_item, bytes_of, image_of, is_on_its_page, may_be_on_its_page
from kakitome.ledgers.dynamodb.marshal import Item, key_of
from kakitome.ledgers.memory.book import Message

HELD = 15 * 60_000
"""Milliseconds for which whoever has announced rows may put them onto a page."""
RENEWED = 5 * 60_000
FEW = 4
"""Notes that a look for work reads first."""
AT_ONCE = 100
"""Rows that are read with one request."""
_STRIDE = 0x9E3779B1


class Note(msgspec.Struct, frozen=True, array_like=True):
    """Of a page, or of the rows `ids`. `paces` are those of its rows that may wait; `lease` is when the last claim on
    it ends, `first` when to look whether one is over, `workers` are whose claims; `sources` are the lists that put rows
    there."""

    page: int
    held: int
    lease: int = 0
    workers: frozenset[str] = frozenset()
    paces: frozenset[str] = frozenset()
    ids: tuple[int, ...] = ()
    sources: frozenset[str] = frozenset()
    first: int = 0


Rule = Callable[[Note | None], Note | None]
"""What the note becomes; None: it stays as it is."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Note).decode


class Pages:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._announced: dict[tuple[RunId, int], Note] = {}
        self._looks = 0

    async def notes(self, run: RunId) -> list[Note]:
        """As they are now."""
        return [_unpack(image_of(item).body) for item in await self._desk.table.query(keys.notes(run))]

    async def announce(self, run: RunId, digest: str, rows: Iterable[tuple[MessageId, str]], now: int) -> None:
        """Rows of a list, given with their paces, will be put onto their pages within `HELD`."""
        paces: dict[int, set[str]] = {}
        for id, pace in rows:
            paces.setdefault(keys.page_of(id), set()).add(pace)
        for page, names in paces.items():
            known = self._announced.get((run, page))
            is_fresh = known is not None and known.held >= now + HELD - RENEWED and short(digest) in known.sources
            if known is None or not is_fresh or not names <= known.paces:
                self._announced[run, page] = await self._announce(run, page, digest, names, now)

    async def name(
        self, run: RunId, digest: str, rows: Sequence[tuple[MessageId, str]], now: int, worker: str, lease: int
    ) -> None:
        """These rows of a list, given with their paces, will be put there within `HELD`; `worker` has claimed them
        until `lease` ("" and 0: nobody has). Without a list: they are there, and about to be claimed."""
        note = Note(
            page=-1,
            held=now + HELD if digest else 0,
            lease=lease,
            workers=frozenset([worker] if worker else ()),
            paces=frozenset(pace for _, pace in rows),
            ids=tuple(id for id, _ in rows),
            sources=frozenset([short(digest)] if digest else ()),
            first=lease,
        )
        token = self._desk.token()
        await self._desk.table.put(body_item(keys.named_note(run, token), _pack(note)), None, token)

    async def _announce(self, run: RunId, page: int, digest: str, paces: set[str], now: int) -> Note:
        def rule(note: Note | None) -> Note:
            note = note or Note(page, 0)
            held, sources = max(note.held, now + HELD), note.sources | {short(digest)}
            return msgspec.structs.replace(note, held=held, paces=note.paces | paces, sources=sources)

        changed = await self._change(run, page, rule)
        assert changed is not None
        return changed

    async def claimed(self, ids: Sequence[MessageId], worker: str, lease: int, now: int) -> None:
        """Said before rows are claimed: whoever looks for leases that are over finds them by the note."""

        def rule(note: Note | None) -> Note | None:
            if note is None or (note.first <= lease <= note.lease and worker in note.workers):
                return None
            first, last = min(note.first or lease, lease), max(note.lease, lease)
            return msgspec.structs.replace(note, lease=last, first=first, workers=note.workers | {worker})

        by_page: dict[tuple[RunId, int], list[MessageId]] = {}
        for id in ids:
            if keys.is_row(id):
                by_page.setdefault((keys.run_of(id), keys.page_of(id)), []).append(id)
        without: dict[RunId, list[MessageId]] = {}
        for (run, page), there in by_page.items():
            if await self._change(run, page, rule) is None:
                without.setdefault(run, []).extend(there)
        for run, named in without.items():
            await self.name(run, "", [(id, "") for id in named], now, worker, lease)

    async def _change(self, run: RunId, page: int, rule: Rule) -> Note | None:
        table, key = self._desk.table, keys.note(run, page)
        there = await table.get(key)
        for _ in range(TRIES):
            image = image_of(there) if there else None
            note = None if image is None else _unpack(image.body)
            new = rule(note)
            if new is None or new == note:
                return note
            item = body_item(key, _pack(new))
            there = await table.put(item, None if image is None else image.revision, self._desk.token())
            if there is None:
                return new
        raise LedgerUnavailable("Too many others change the same page at the same time.", "It is tried again later.")

    # ── Rows ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def behind(self, run: RunId, note: Note) -> list[Message]:
        """The rows that a note is about and that are before or in their first attempt, by id."""
        if note.ids:
            shelves = await self._desk.shelves([MessageId(id) for id in note.ids])
            return [m for m in (shelves[id].message for id in sorted(shelves)) if is_on_its_page(m)]
        items = await self._desk.table.query(keys.page_key(run, note.page))
        there = [item for item in items if may_be_on_its_page(item)]
        self._desk.remember(there)
        return [unpack_message(bytes_of(item)).message async for item in in_breaths(there)]

    async def _found(self, run: RunId, notes: Sequence[tuple[Item, Note]]) -> AsyncIterator[list[_Found]]:
        """What is behind the notes, in their order, some at a time: rows that notes name are read together. Of children
        with one row each there are as many notes as rows, and by itself each would be a request."""
        for some in _together(notes):
            if not some[0][1].ids:
                [(item, note)] = some
                yield [_Found(item, note, await self.behind(run, note), False)]
                continue
            shelves = await self._desk.shelves([MessageId(id) for _, note in some for id in note.ids])
            told = []
            for item, note in some:
                named = [shelves[id].message for id in map(MessageId, sorted(note.ids)) if id in shelves]
                rows = [m for m in named if is_on_its_page(m)]
                told.append(_Found(item, note, rows, len(named) == len(set(note.ids))))
            yield told

    async def first_timers(self, case: Case, now: int) -> AsyncIterator[list[Message]]:
        """Some notes at a time, the rows before or in their first attempt. A note behind which there is none is thrown
        away."""
        run, seen = case.book.run.id, set[MessageId]()
        items = await self._desk.table.query(keys.notes(run))
        async for some in self._found(run, [(item, _unpack(bytes_of(item))) for item in items]):
            await self._forget([one for one in some if one.is_over(case, now)])
            yield _once([m for one in some for m in one.rows], seen)

    async def waiting(self, case: Case, now: int, paces: Collection[str] | None = None) -> AsyncIterator[list[Message]]:
        """Some notes at a time, the rows that nobody has claimed yet; None: of any pace. Each look begins at another
        page, so that those who look at the same time do not want the same rows. A note loses the paces of which nothing
        waits any more, and is thrown away where nothing is left: what was claimed and what went are not looked at
        again."""
        run, seen = case.book.run.id, set[MessageId]()
        self._looks += 1
        start = f"{self._looks * _STRIDE % (1 << (case.bits or 0)):04x}"
        for since, until in ((start, None), (None, start)):
            async for items in self._some_notes(run, since, until):
                notes = [(item, _unpack(bytes_of(item))) for item in items]
                wanted = [one for one in notes if paces is None or not one[1].paces.isdisjoint(paces)]
                async for some in self._found(run, [one for one in wanted if one[1].paces]):
                    await self._keep(case, some, now)
                    yield _once([m for one in some for m in one.rows if m.state is State.QUEUED], seen)

    async def claims_over(self, case: Case, silent: Collection[str], now: int) -> AsyncIterator[list[Message]]:
        """Rows behind notes of which a lease may be over, or that a silent worker has claimed."""
        run = case.book.run.id
        notes = [(item, _unpack(bytes_of(item))) for item in await self._desk.table.query(keys.notes(run))]
        due = [
            (item, note)
            for item, note in notes
            if note.lease and (note.first <= now or not note.workers.isdisjoint(silent))
        ]
        async for some in self._found(run, due):
            await self._look_later(case, some, now)
            yield [m for one in some for m in one.rows]

    async def _look_later(self, case: Case, some: Sequence[_Found], now: int) -> None:
        """Where no claim is left the note is looked at more and more seldom, and never not at all: whoever said it may
        stand still, and claim when the lease is long over, or this clock may be ahead."""
        await self._forget([one for one in some if one.is_over(case, now)])
        await self._write((one, one.later(now)) for one in some if not one.is_over(case, now))

    async def _forget(self, over: Sequence[_Found]) -> None:
        asked = [(key_of(one.item), image_of(one.item).revision) for one in over]
        await self._desk.table.delete_many(asked, self._desk.token())

    async def _write(self, changed: Iterable[tuple[_Found, Note]]) -> None:
        """Whoever is slower than another changes nothing."""
        writes = [
            (body_item(key_of(one.item), _pack(new)), image_of(one.item).revision)
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
    that is ahead must not forget the page of a list that still comes in."""
    if note.sources:
        return note.sources <= {short(source.digest) for source in case.imports if source.sealed}
    return note.held < now


def short(digest: str) -> str:
    return blake2b(digest.encode(), digest_size=6).hexdigest()
