"""The journal in the table: a chain of records, each with some entries, their numbers, and how far the stream is read.

The key of a record is the number of its first entry. Whoever adds one puts it behind the last one, where there must be
none: of two, one is refused, looks what the other has written, and adds what is left. So entries, numbers and positions
change together in a single write.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb import keys, notes
from kakitome.ledgers.dynamodb.codec import StoredEntry, unpack_message
from kakitome.ledgers.dynamodb.counters import is_message
from kakitome.ledgers.dynamodb.counters_kept import KEPT, Taken
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, bytes_of, image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key

CHAIN: Final = "J"
TRIES: Final = 100
MOST_OCTETS: Final = 300_000
"""Of entries in one record, before they are deflated: an item has at most 400 KB."""


class Told(NamedTuple):
    """An entry of a record of the stream. `id` is the message that it lies with; `alone`: it is about that one."""

    entry: StoredEntry
    run: RunId | None = None
    id: MessageId | None = None
    alone: bool = True


class Heard(NamedTuple):
    """The entries of one record of the stream, which there may be none of."""

    sequence: str
    at: int
    told: Sequence[Told]


class Kept(msgspec.Struct, frozen=True, array_like=True):
    at: int
    kind: str
    run: int | None
    message: int | None
    data: dict[str, Any]


class Link(msgspec.Struct, frozen=True, array_like=True):
    taken: Taken
    entries: tuple[Kept, ...]


class Last(NamedTuple):
    """The end of the chain: the number of its next entry."""

    number: int
    taken: Taken
    item: Item | None


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Link).decode
_entries = msgspec.msgpack.Decoder(tuple[StoredEntry, ...]).decode


class Chain:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last: Last | None = None

    async def position(self, shard: str) -> str | None:
        """The last record of the shard whose entries are in the journal, as it is now."""
        self._last = await self._end()
        return self._last.taken.get(shard, (None, 0))[0]

    async def is_behind(self, shards: Collection[str]) -> bool:
        """Whether none of the shards that were read up to here is among these: AWS drops one a day after its end."""
        self._last = await self._end()
        return bool(self._last.taken) and self._last.taken.keys().isdisjoint(shards)

    async def append(self, shard: str, heard: Sequence[Heard]) -> None:
        """Entries of records of one shard, in order; those that are in the journal already are left out."""
        for part in _parts([one for one in heard if one.told]):
            await self._append(shard, part)

    async def _append(self, shard: str, heard: Sequence[Heard]) -> None:
        for _ in range(TRIES):
            last = self._last or await self._end()
            position = last.taken.get(shard, (None, 0))[0]
            fresh = [one for one in heard if position is None or int(one.sequence) > int(position)]
            if not fresh:
                return
            entries = joined(told for one in fresh for told in one.told)
            taken = _with(last.taken, shard, fresh[-1].sequence, fresh[-1].at)
            item = _item(Key(CHAIN, keys.sortable(last.number)), Link(taken, entries))
            if await self._desk.table.put(item, None, self._desk.token()) is None:
                self._last = Last(last.number + len(entries), taken, item | {"r": 1})
                return
            self._last = None
        raise LedgerUnavailable("Too many others write the journal at the same time.", "It is written again later.")

    async def passed(self, shard: str, sequence: str, at: int) -> None:
        """There was nothing for the journal up to this record: who comes next need not look at it again."""
        last = await self._end()
        if last.item is None or int(last.taken.get(shard, ("0", 0))[0]) >= int(sequence):
            return
        link = _opened(last.item)
        taken = _with(link.taken, shard, sequence, at)
        item = _item(Key(CHAIN, str(last.item["sk"])), Link(taken, link.entries))
        await self._desk.table.put(item, image_of(last.item).revision, self._desk.token())
        self._last = None

    async def _end(self) -> Last:
        found = await self._desk.table.query(CHAIN, forward=False, limit=1)
        if not found:
            return Last(1, {}, None)
        link = _opened(found[0])
        return Last(_first(found[0]) + len(link.entries), link.taken, found[0])


def entries_of(item: Item) -> list[Entry]:
    """Of one record of the chain."""
    return [
        Entry(
            seq=_first(item) + k,
            at=one.at,
            kind=one.kind,
            run=None if one.run is None else RunId(one.run),
            message=None if one.message is None else MessageId(one.message),
            data=one.data,
        )
        for k, one in enumerate(_opened(item).entries)
    ]


def told_by(new: Item | None) -> list[Told]:
    """The entries that came with this change of an item."""
    if new is None or not (told := new.get("j")):
        return []
    if notes.is_note(new):
        return _claimed(new)
    if not is_message(new):
        assert isinstance(told, bytes)
        return [Told(entry, RunId(entry.about) if entry.about else None) for entry in _entries(told)]
    assert isinstance(told, int)
    there = unpack_message(bytes_of(new))
    m = there.message
    return [Told(entry, m.run, m.id, alone=entry.about != 0) for entry in there.history[-told:]]


def _claimed(note: Item) -> list[Told]:
    run, claims = notes.claims_told(note)
    found = []
    for claim in claims:
        entry = StoredEntry(claim.at, Cause.CLAIMED, notes.claiming(claim))
        found += [Told(entry, run, id, alone=False) for id in notes.rows_of(run, claim)]
    return found


def joined(told: Iterable[Told]) -> tuple[Kept, ...]:
    """One entry for what one change did to many messages. Of each message the entries stay in order."""
    found: list[Kept] = []
    ids: dict[int, list[int]] = {}
    where: dict[tuple[str, int, RunId | None, bytes], int] = {}
    last: dict[MessageId, int] = {}
    for entry, run, id, alone in told:
        of_many = id is not None and not alone
        key = (entry.kind, entry.at, run, _pack(entry.data))
        place = where.get(key, -1) if of_many and id is not None else -1
        if place < 0 or (id is not None and place <= last.get(id, -1)):
            place = len(found)
            found.append(Kept(entry.at, entry.kind, run, id if alone else None, entry.data))
        if of_many and id is not None:
            where[key] = place
            ids.setdefault(place, []).append(id)
        if id is not None:
            last[id] = place
    return tuple(
        msgspec.structs.replace(one, data=one.data | {"ids": ids[k]}) if k in ids else one
        for k, one in enumerate(found)
    )


def _parts(heard: Sequence[Heard]) -> list[list[Heard]]:
    parts: list[list[Heard]] = []
    octets = MOST_OCTETS
    for one in heard:
        size = sum(64 + len(_pack(told.entry)) for told in one.told)
        if octets + size > MOST_OCTETS:
            parts.append([])
            octets = 0
        parts[-1].append(one)
        octets += size
    return parts


def _with(taken: Taken, shard: str, sequence: str, at: int) -> Taken:
    return {name: one for name, one in taken.items() if one[1] >= at - KEPT} | {shard: (sequence, at)}


def _first(item: Item) -> int:
    return keys.number_of(str(item["sk"]))


def _item(key: Key, link: Link) -> Item:
    return body_item(key, zlib.compress(_pack(link)))


def _opened(item: Item) -> Link:
    return _unpack(zlib.decompress(bytes_of(item)))
