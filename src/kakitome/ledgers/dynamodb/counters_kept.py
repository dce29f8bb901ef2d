"""Documents of counters, each exactly once.

A document keeps, by shard of the stream, up to which record it has taken in, and takes only newer ones, in one write
over the revision that was read. So who is cut off between two documents, or counts at the same time as another,
counts nothing twice. Whoever brings records of a shard must be sure that every document has those before them.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.counters import LARGEST, OTHERS, Change, Room, is_bounded
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key, key_of

TRIES: Final = 100
REMEMBERED: Final = 1_000
KEPT: Final = 2 * 86_400
"""Seconds for which it is known how far a quiet shard was read. A stream's records are kept for one day, and go some
time after that."""

Cells = dict[str, int]
Taken = dict[str, tuple[str, int]]
"""By shard: the last record, and when it was (seconds)."""


class Document(msgspec.Struct, frozen=True, array_like=True):
    taken: Taken = {}
    cells: Cells = {}


class Counted(NamedTuple):
    """A record's change."""

    sequence: str
    at: int
    change: Change


class _Part(NamedTuple):
    """What a record adds to one document."""

    sequence: int
    name: str
    n: int


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Document).decode


class Counters:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: OrderedDict[Key, tuple[Document, int | None]] = OrderedDict()

    async def read(self, keys: Iterable[Key]) -> dict[Key, Cells]:
        """As they are now; of a document that is not there, nothing."""
        read = await self._desk.table.get_many(keys)
        return {key: opened(item).cells for key, item in read.items()}

    async def range(self, pk: str, since: str, until: str) -> dict[Key, Cells]:
        """Those of a partition, in order."""
        read = await self._desk.table.query(pk, since=since, until=until)
        return {key_of(item): opened(item).cells for item in read}

    async def take(self, shard: str, counted: Sequence[Counted]) -> None:
        """Records of one shard, in order, all of a stretch of it."""
        last = (counted[-1].sequence, counted[-1].at) if counted else ("", 0)
        parts: dict[Key, list[_Part]] = {}
        for one in counted:
            for cells in one.change:
                for (key, name), n in cells.items():
                    parts.setdefault(key, []).append(_Part(int(one.sequence), name, n))
        await self._change(parts, lambda key, there: taken_in(there, shard, last, parts[key], is_bounded(key)))

    async def rewrite(self, key: Key, rule: Callable[[Cells], Cells]) -> None:
        """Other cells that say the same."""
        self._seen.pop(key, None)
        await self._change([key], lambda _, there: msgspec.structs.replace(there, cells=rule(there.cells)))

    async def replace(self, key: Key, document: Document, expected: int | None) -> bool:
        """Another document over this revision (None: there is none). False: somebody was faster."""
        self._seen.pop(key, None)
        return await self._desk.table.put(_item(key, document), expected, self._desk.token()) is None

    async def _change(self, keys: Iterable[Key], rule: Callable[[Key, Document], Document]) -> None:
        todo = list(keys)
        for _ in range(TRIES):
            if not todo:
                return
            await self._look([key for key in todo if key not in self._seen])
            changed = {key: new for key in todo if (new := rule(key, self._seen[key][0])) != self._seen[key][0]}
            writes = [(_item(key, new), self._seen[key][1]) for key, new in changed.items()]
            answers = await self._desk.table.put_many(writes, self._desk.token())
            todo = []
            for (key, new), answer in zip(changed.items(), answers, strict=True):
                if answer is None:
                    self._keep(key, new, (self._seen[key][1] or 0) + 1)
                    continue
                todo.append(key)  # another was faster
                if answer:
                    self._keep(key, opened(answer), image_of(answer).revision)
                else:
                    del self._seen[key]
            self._forget()
        raise LedgerUnavailable("Too many others count the same at the same time.", "It is counted again later.")

    async def _look(self, keys: Sequence[Key]) -> None:
        read = await self._desk.table.get_many(keys)
        for key in keys:
            item = read.get(key)
            self._keep(key, opened(item) if item else Document(), image_of(item).revision if item else None)

    def _keep(self, key: Key, document: Document, revision: int | None) -> None:
        self._seen[key] = document, revision
        self._seen.move_to_end(key)

    def _forget(self) -> None:
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def taken_in(
    there: Document, shard: str, last: tuple[str, int], parts: Sequence[_Part], is_bounded: bool = False
) -> Document:
    """The document with those of the parts that are new to it."""
    sequence, _ = there.taken.get(shard, ("", 0))
    fresh = [part for part in parts if not sequence or part.sequence > int(sequence)]
    if not fresh:
        return there
    cells = dict(there.cells)
    room = Room(cells) if is_bounded else None
    for part in fresh:
        if part.name.startswith(LARGEST):
            cells[part.name] = max(part.n, cells.get(part.name, part.n))
        else:
            name = part.name if room is None else room.place(cells, part.name)
            cells[name] = cells.get(name, 0) + part.n
    # A stream has no record that is older, so nobody brings one of these shards again.
    taken = {name: one for name, one in there.taken.items() if one[1] >= last[1] - KEPT}
    kept = {name: n for name, n in cells.items() if n or name.startswith((LARGEST, OTHERS))}
    return Document(taken | {shard: last}, kept)


def opened(item: Item) -> Document:
    return _unpack(zlib.decompress(image_of(item).body))


def _item(key: Key, document: Document) -> Item:
    return body_item(key, zlib.compress(_pack(document)))


def summed(documents: Mapping[Key, Cells]) -> Cells:
    """Over documents of one kind."""
    found: Cells = {}
    for cells in documents.values():
        for name, n in cells.items():
            found[name] = found.get(name, 0) + n
    return found
