"""A stream on paper: what a ledger does to its messages, as records; and a table that is a dictionary and may end its
reader at any write. Only what a feed asks of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any

import msgspec

from kakitome.core.event import BounceClass, EventKind, Permanence
from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed, Entry
from kakitome.ledgers.dynamodb import counters
from kakitome.ledgers.dynamodb.codec import Shelved, unpack_message
from kakitome.ledgers.dynamodb.counters import Cell
from kakitome.ledgers.dynamodb.counters_kept import opened
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.items import body_item, bytes_of, message_item, told_of
from kakitome.ledgers.dynamodb.journal_chain import CHAIN, entries_of
from kakitome.ledgers.dynamodb.marshal import Item, Key, Value, key_of
from kakitome.ledgers.dynamodb.stream import Record, Shard, Trimmed
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.records import NamedEvent
from kakitome.testing.ledger_world import MINUTE, START, World

LINKS = ("https://example.jp/a", "https://example.jp/b", "https://example.jp/c")


class Killed(Exception):
    """The reader is dead."""


class PaperTable:
    """`left`: so many writes are done, then whoever writes is dead."""

    def __init__(self) -> None:
        self.items: dict[Key, Item] = {}
        self.left: int | None = None
        self.writes = 0

    async def get(self, key: Key) -> Item | None:
        return self.items.get(key)

    async def get_many(self, keys: Iterable[Key]) -> dict[Key, Item]:
        return {key: self.items[key] for key in keys if key in self.items}

    async def put(self, item: Mapping[str, Value], expected: int | None, token: bytes) -> Item | None:
        there = self.items.get(key_of(item))
        if (there["r"] if there else None) != expected:
            return there or {}
        if self.left == 0:
            raise Killed
        self.left = None if self.left is None else self.left - 1
        self.writes += 1
        self.items[key_of(item)] = {**item, "r": (expected or 0) + 1, "k": token}
        await asyncio.sleep(0)  # another may come in between
        return None

    async def put_many(
        self, writes: Sequence[tuple[Mapping[str, Value], int | None]], token: bytes
    ) -> list[Item | None]:
        return [await self.put(item, expected, token) for item, expected in writes]

    async def query(
        self, pk: str, *, after: str = "", limit: int | None = None, forward: bool = True, **_: object
    ) -> list[Item]:
        found = sorted((i for k, i in self.items.items() if k.pk == pk and k.sk > after), key=key_of)
        return (found if forward else found[::-1])[:limit]


class PaperStream:
    """Shards with their records; `sizes` are those of the answers, again and again."""

    def __init__(self, shards: Mapping[Shard, Sequence[Record]], sizes: Sequence[int]) -> None:
        self.parts = {shard.id: list(records) for shard, records in shards.items()}
        self.order = [*shards]
        self.ended = {shard.parent for shard in shards}
        self.read_shards: list[str] = []
        self.trimmed: dict[str, int] = {}
        self._sizes = sizes
        self._turn = count()

    begun = False

    async def shards(self) -> list[Shard]:
        return self.order

    async def begin(self, shard: str, after: str | None) -> str:
        behind = 0 if after is None else int(after)
        if after is not None and behind < self.trimmed.get(shard, 0):
            raise Trimmed
        return str(max(behind, self.trimmed.get(shard, 0)))

    async def read(self, shard: str, iterator: str) -> tuple[list[Record], str | None]:
        self.read_shards.append(shard)
        size = self._sizes[next(self._turn) % len(self._sizes)]
        found = [record for record in self.parts[shard] if int(record.sequence) > int(iterator)][:size]
        if found:
            return found, found[-1].sequence
        return [], None if shard in self.ended else iterator


def feed_on(table: PaperTable, stream: PaperStream, folds: Any = "reader") -> Feed:
    """A process of its own."""
    feed = Feed(desk_on(table), folds)
    paper: Any = feed
    paper._stream = stream
    return feed


def desk_on(table: PaperTable, process: int = 1) -> Desk:
    numbers = count(process << 32)
    any_table: Any = table
    return Desk(any_table, bytes(32), lambda: next(numbers).to_bytes(8, "big"))


# ── What happened ───────────────────────────────────────────────────────────────────────────────────────────────────


class Told:
    """A ledger whose every change of a message is written down as a record."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.w = World(self.ledger)
        self.records: list[Record] = []
        self.shelves: dict[MessageId, Shelved] = {}
        self._items: dict[MessageId, Item] = {}
        self._entries = 0
        self._sequence = count(1)

    def note(self) -> None:
        """Write down what is different. Half a shard each; other items are in the stream, too."""
        book: Any = self.ledger.messages
        book = book._book
        new, self._entries = book.journal[self._entries :], len(book.journal)
        for id, m in book.messages.items():
            history = list(self.shelves[id].history) if id in self.shelves else []
            there = Shelved(m, book.about(id), {}, history)
            one_by_one = [
                entry if entry.message else msgspec.structs.replace(entry, data=entry.data | {"ids": [id]})
                for entry in new
                if entry.message == id or id in entry.data.get("ids", ())
            ]
            there_before = self._items.get(id)
            item = message_item(there, told_of(one_by_one, id))
            if there_before is None or bytes_of(item) != bytes_of(there_before):
                self._record(f"s{id % 2}", there_before, item)
                self._items[id] = item
            self.shelves[id] = unpack_message(bytes_of(item))
        others = [entry for entry in new if entry.message is None and "ids" not in entry.data]
        if others:
            self._record("s0", None, body_item(Key(f"j{self._entries}", "j"), b"", others))

    def _record(self, shard: str, old: Item | None, new: Item) -> None:
        number = next(self._sequence)
        self.records.append(Record(shard, str(number), START // 1000 + number, old, new))

    def shards(self, parted: int) -> dict[Shard, list[Record]]:
        """The second shard ends at this record, and another one follows it."""
        found: dict[Shard, list[Record]] = {Shard("s0", None): [], Shard("s1", None): [], Shard("s1b", "s1"): []}
        for record in self.records:
            child = record.shard == "s1" and int(record.sequence) > parted
            shard = Shard("s1b", "s1") if child else Shard(record.shard, None)
            found[shard].append(record._replace(shard=shard.id))
        return found


async def happened(seed: int, steps: int) -> Told:
    """Anything that may happen to mail, at random."""
    told, random = Told(), Random(seed)
    w = told.w
    run = await w.campaign("a@one.example", "b@two.example", "c@one.example")
    await w.stream()
    claims: list[Claimed] = []
    told.note()
    for _ in range(steps):
        w.now += random.choice((0, 1, 700, MINUTE, 40 * MINUTE))
        match random.randrange(7):
            case 0:
                await w.admit(f"{random.choice('xyz')}@three.example")
            case 1 | 2:
                ids = list(told.shelves)
                claims += await w.claim(*random.sample(ids, min(2, len(ids))), lane=random.choice(("ses", "smtp")))
            case 3 | 4 if claims:
                claimed = random.choice(claims)
                cause = random.choice(
                    (Cause.PROVIDER_ACCEPTED, Cause.PROVIDER_ACCEPTED, Cause.DEFERRED, Cause.UNCERTAIN, Cause.REJECTED)
                )
                await w.settle(claimed, cause, f"p{claimed.id}-{claimed.fence}", due=w.now)
            case 5 | 6 if claims:
                await w.fold(_event(w, random, random.choice(claims)))
            case _:
                pass
        if random.random() < 0.05:
            await w.move(run, random.choice(("paused", "running")))
        told.note()
    return told


def _event(w: World, random: Random, of: Claimed) -> NamedEvent:
    kind = random.choice([*EventKind, EventKind.BOUNCED, EventKind.CLICKED, EventKind.OPENED])
    more: dict[str, Any] = {"at": w.now + random.choice((-MINUTE, 0, 900, MINUTE))}
    if kind is EventKind.BOUNCED:
        more |= {"permanence": random.choice([*Permanence]), "bounce_class": random.choice([*BounceClass])}
    if kind in (EventKind.CLICKED, EventKind.OPENED):
        agents = ("Mozilla/5.0", "curl/8", "Mozilla/5.0 (Windows)", "GoogleImageProxy")
        more["raw"] = msgspec.Raw(msgspec.json.encode({"userAgent": random.choice(agents)}))
        more["link"] = random.choice(LINKS) if kind is EventKind.CLICKED else None
    return w.event(kind, of, **more)


# ── What was made of it ─────────────────────────────────────────────────────────────────────────────────────────────


def recount(told: Told) -> dict[Cell, int]:
    """What the counters must say."""
    found: Counter[Cell] = Counter()
    largest: dict[Cell, int] = {}
    for there in told.shelves.values():
        found.update(counters.adds(there))
        for cell, n in counters.largest(there):
            largest[cell] = max(n, largest.get(cell, n))
    return {cell: n for cell, n in found.items() if n} | largest


def counted(table: PaperTable) -> dict[Cell, int]:
    """What they say."""
    documents = {key: opened(item).cells for key, item in table.items.items() if key.pk.startswith("C")}
    return {Cell(key, name): n for key, cells in documents.items() for name, n in cells.items()}


def journal(table: PaperTable) -> list[Entry]:
    items = sorted((item for key, item in table.items.items() if key.pk == CHAIN), key=key_of)
    return [entry for item in items for entry in entries_of(item)]
