"""The pages of a campaign: which of them have rows whose first attempt is not over.

A page has a note of its own as long as it may have such rows: until when somebody puts rows in, when the last lease
on it ends, and who claimed. Rows that come by themselves (a child of a Distributed Map has some hundred, each on
another page) share a note that names them. Whoever finds nothing left behind a note throws it away. Rows that come
back later (a retry, a doubt) are in the open index and need no note. So a row costs no write beside its own, and a
sweeper reads notes, not rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId, RunId
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import unpack_message
from kakitome.ledgers.dynamodb.desk import TRIES, Desk
from kakitome.ledgers.dynamodb.items import body_item, image_of, is_on_its_page
from kakitome.ledgers.dynamodb.marshal import key_of
from kakitome.ledgers.memory.book import Message

HELD = 15 * 60_000
"""Milliseconds for which whoever has announced rows may put them onto a page."""
RENEWED = 5 * 60_000


class Note(msgspec.Struct, frozen=True, array_like=True):
    """Of a page, or of the rows `ids`. `paces` are those of its rows; `lease` is when the last claim on it ends,
    `workers` are whose claims."""

    page: int
    held: int
    lease: int = 0
    workers: frozenset[str] = frozenset()
    paces: frozenset[str] = frozenset()
    ids: tuple[int, ...] = ()


Rule = Callable[[Note | None], Note | None]
"""What the note becomes; None: it stays as it is."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Note).decode


class Pages:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._announced: dict[tuple[RunId, int], Note] = {}

    async def notes(self, run: RunId) -> list[Note]:
        """As they are now."""
        return [_unpack(image_of(item).body) for item in await self._desk.table.query(keys.notes(run))]

    async def announce(self, run: RunId, rows: Iterable[tuple[MessageId, str]], now: int) -> None:
        """Rows, given with their paces, will be put onto their pages within `HELD`."""
        paces: dict[int, set[str]] = {}
        for id, pace in rows:
            paces.setdefault(keys.page_of(id), set()).add(pace)
        for page, names in paces.items():
            known = self._announced.get((run, page))
            if known is None or known.held < now + HELD - RENEWED or not names <= known.paces:
                self._announced[run, page] = await self._announce(run, page, names, now)

    async def name(self, run: RunId, rows: Sequence[tuple[MessageId, str]], now: int, worker: str, lease: int) -> None:
        """These rows, given with their paces, will be put there within `HELD`, or claimed: by `worker` until `lease`
        ("" and 0: by nobody)."""
        note = Note(
            page=-1,
            held=now + HELD,
            lease=lease,
            workers=frozenset([worker] if worker else ()),
            paces=frozenset(pace for _, pace in rows),
            ids=tuple(id for id, _ in rows),
        )
        token = self._desk.token()
        await self._desk.table.put(body_item(keys.named_note(run, token), _pack(note)), None, token)

    async def _announce(self, run: RunId, page: int, paces: set[str], now: int) -> Note:
        def rule(note: Note | None) -> Note:
            note = note or Note(page, 0)
            return msgspec.structs.replace(note, held=max(note.held, now + HELD), paces=note.paces | paces)

        changed = await self._change(run, page, rule)
        assert changed is not None
        return changed

    async def claimed(self, ids: Sequence[MessageId], worker: str, lease: int, now: int) -> None:
        """Said before rows are claimed: whoever looks for leases that are over finds them by the note."""

        def rule(note: Note | None) -> Note | None:
            if note is None or (note.lease >= lease and worker in note.workers):
                return None
            return msgspec.structs.replace(note, lease=max(note.lease, lease), workers=note.workers | {worker})

        by_page: dict[tuple[RunId, int], list[MessageId]] = {}
        for id in ids:
            if keys.is_row(id):
                by_page.setdefault((keys.run_of(id), keys.page_of(id)), []).append(id)
        without: dict[RunId, list[MessageId]] = {}
        for (run, page), there in by_page.items():
            if await self._change(run, page, rule) is None:
                without.setdefault(run, []).extend(there)
        for run, named in without.items():
            await self.name(run, [(id, "") for id in named], now, worker, lease)

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

    async def rows(self, run: RunId, page: int, strong: bool = True) -> list[Message]:
        """All rows of a page, by id."""
        items = await self._desk.table.query(keys.page_key(run, page), strong=strong)
        self._desk.remember(items)
        return [unpack_message(image_of(item).body).message for item in items]

    async def behind(self, run: RunId, note: Note) -> list[Message]:
        """The rows that a note is about, by id."""
        if not note.ids:
            return await self.rows(run, note.page)
        shelves = await self._desk.shelves([MessageId(id) for id in note.ids])
        return [shelves[id].message for id in sorted(shelves)]

    async def first_timers(self, run: RunId, now: int) -> AsyncIterator[list[Message]]:
        """Note by note, the rows before or in their first attempt. A note behind which there is none is thrown away."""
        for item in await self._desk.table.query(keys.notes(run)):
            image = image_of(item)
            note = _unpack(image.body)
            found = [m for m in await self.behind(run, note) if is_on_its_page(m)]
            if not found and note.held < now:
                await self._desk.table.delete(key_of(item), image.revision, self._desk.token())
            yield found

    async def any_left(self, run: RunId, now: int) -> bool:
        """Whether a row of the campaign is before or in its first attempt."""
        async for found in self.first_timers(run, now):
            if found:
                return True
        return False
