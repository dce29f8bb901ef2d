"""A ledger on DynamoDB without its feed: whoever looks, looks at all items anew. A process may die at any write."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from dynamo_rig import asked, fresh
from kakitome.core.event import EventKind, Permanence
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb import keys, notes
from kakitome.ledgers.dynamodb.addresses import Addresses, DynamoSuppressions
from kakitome.ledgers.dynamodb.codec import StoredEntry, unpack_message, unpack_run
from kakitome.ledgers.dynamodb.contents import unpack_submission
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.events import DynamoEvents, Early
from kakitome.ledgers.dynamodb.items import bytes_of, message_id
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.marshal import Item, Key, Value, key_of, read
from kakitome.ledgers.dynamodb.messages import DynamoMessages
from kakitome.ledgers.dynamodb.meter import Meter
from kakitome.ledgers.dynamodb.noted import Noted
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.pages import Pages
from kakitome.ledgers.dynamodb.runs import DynamoRuns
from kakitome.ledgers.dynamodb.table import Put, Table, Write
from kakitome.ledgers.memory.book import Book, SubmissionBook
from kakitome.ledgers.memory.reads import MemoryReads
from kakitome.ledgers.memory.records import MemoryJournal
from kakitome.ledgers.memory.sweeps import MemorySweeps
from kakitome.ports.records import NamedEvent
from kakitome.testing.ledger_world import World

HASH_KEY = bytes(32)
_entries = msgspec.msgpack.Decoder(tuple[StoredEntry, ...]).decode


class Killed(Exception):
    """The process is dead."""


class Kill:
    """Ends the process, as far as the table can see, instead of a write: after `left` more of them. Or does something
    else before it, `instead` of dying. `entries` are those of the journal that were written."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.left: int | None = None
        self.instead: Callable[[], Awaitable[None]] | None = None
        self.writes = 0
        self.entries: list[Entry] = []
        self._put, self._put_batch, self._transact = table.put, table._put_batch, table.transact
        self._ask = table._ask
        mine: Any = table
        mine.put, mine._put_batch, mine.transact = self.put, self.put_batch, self.transact
        mine._ask = self.ask

    def before(self, left: int, instead: Callable[[], Awaitable[None]]) -> None:
        """After `left` more writes, before the next one, this happens."""
        self.left, self.instead = left, instead

    async def put(self, item: Mapping[str, Value], expected: int | None, token: bytes) -> Item | None:
        await self._count()
        answer = await self._put(item, expected, token)
        if answer is None:
            self.entries += told(dict(item))
        return answer

    async def put_batch(self, items: Sequence[Mapping[str, Value]]) -> None:
        await self._count()
        await self._put_batch(items)
        self.entries += [entry for item in items for entry in told(dict(item))]

    async def transact(self, writes: Sequence[Write], token: bytes) -> None:
        await self._count()
        await self._transact(writes, token)
        self.entries += [entry for one in writes if isinstance(one, Put) for entry in told(dict(one.item))]

    async def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        if self.left == -1:
            raise Killed
        return await self._ask(operation, **parameters)

    async def _count(self) -> None:
        self.writes += 1
        if self.left is None:
            return
        self.left = max(-1, self.left - 1)
        if self.left == -1 and self.instead is None:
            raise Killed
        if self.left == -1 and self.instead is not None:
            self.left = None
            await self.instead()


def told(item: Item) -> list[Entry]:
    """The journal entries of the change that wrote this item."""
    written = item.get("j")
    if notes.is_note(item):
        run, claims = notes.claims_told(item)
        return [
            Entry(
                seq=0,
                at=claim.at,
                kind=Cause.CLAIMED,
                run=run,
                data=notes.claiming(claim) | {"ids": notes.rows_of(run, claim)},
            )
            for claim in claims
        ]
    if isinstance(written, int):
        there, message = unpack_message(bytes_of(item)), message_id(item)
        return [
            Entry(seq=0, at=e.at, kind=e.kind, run=RunId(e.about or there.message.run), message=message, data=e.data)
            for e in there.history[-written:]
        ]
    stored = _entries(written) if isinstance(written, bytes) else ()
    return [Entry(seq=0, at=e.at, kind=e.kind, run=RunId(e.about) if e.about else None, data=e.data) for e in stored]


def all_items(table: Table) -> list[Item]:
    found: list[Item] = []
    more: dict[str, Any] = {}
    while True:
        answer = asked("Scan", TableName=table.name, ConsistentRead=True, **more)
        found += [read(_decoded(item)) for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            return found
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _decoded(item: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: {kind: base64.b64decode(value) if kind == "B" else value for kind, value in typed.items()}
        for name, typed in item.items()
    }


def book_of(table: Table, entries: Iterable[Entry] = ()) -> Book:
    """Everything that lies in the table, as the ledger in memory would know it."""
    book = Book(HASH_KEY)
    book.journal = [msgspec.structs.replace(entry, seq=n) for n, entry in enumerate(entries, 1)]
    items = all_items(table)
    noted = {notes.named(key_of(one).sk, note): note for one, note in map(_note, filter(notes.is_note, items))}
    for item in items:
        match str(item["pk"])[0]:
            case "m" | "c":
                there = unpack_message(_as_noted(item, noted))
                book.messages[there.message.id] = there.message
                book.events |= {kept.event.key: kept for kept in there.events}
            case "r":
                case_ = unpack_run(bytes_of(item))
                book.runs[case_.book.run.id] = case_.book
            case "s":
                one = unpack_submission(item)
                book.submissions[one.id] = SubmissionBook(one.content, one.reference, one.messages)
    return book


def _as_noted(item: Item, there: Mapping[str, notes.Note]) -> bytes:
    """A message with the claim that its note has for it, if it names one."""
    note = there.get(str(item.get("p")))
    claim = None if note is None else note.by_row().get(notes.row(message_id(item)))
    never: Any = None
    return (
        bytes_of(item) if claim is None else Noted(never, lambda: Book(HASH_KEY), never).in_hand(bytes_of(item), claim)
    )


def _note(item: Item) -> tuple[Item, notes.Note]:
    return item, notes.unpack(bytes_of(item))


class Parts:
    """What is there of a ledger."""

    def __init__(self, table: Table, kill: Kill, first: int = 1) -> None:
        self.table, self.kill, self._first = table, kill, first
        numbers = count(first)
        self.desk = desk = Desk(table, HASH_KEY, lambda: next(numbers).to_bytes(8, "big"))
        pages = Pages(desk)
        opened = Open(desk, pages)
        self.addresses = addresses = Addresses(desk)
        early = Early(desk, addresses)
        self.messages = DynamoMessages(desk, addresses, early, opened)
        self.runs = DynamoRuns(desk, opened, _none_sent)
        self.suppressions = DynamoSuppressions(desk, addresses)
        self.events = DynamoEvents(desk, addresses, early)

    def reopened(self) -> Parts:
        """By another process."""
        return Parts(self.table, self.kill, self._first + 1_000_000)

    @property
    def book(self) -> Book:
        return book_of(self.table, self.kill.entries)

    @property
    def reads(self) -> MemoryReads:
        return MemoryReads(self.book)

    @property
    def journal(self) -> MemoryJournal:
        return MemoryJournal(self.book)

    @property
    def sweeps(self) -> MemorySweeps:
        return MemorySweeps(self.book)

    def size(self, id: MessageId) -> int:
        [size] = [len(bytes_of(item)) for item in all_items(self.table) if Key(*keys.message(id)) == key_of(item)]
        return size

    async def close(self) -> None:
        await self.table.close()


async def _none_sent(_: RunId) -> int:
    return 0


Story = Callable[[World, World, Kill], Awaitable[None]]


def two_processes(story: Story) -> None:
    """On one table. Of the first one's writes each may be one before which something happens, or at which it dies. At
    the end everything agrees with a recount."""

    async def run() -> None:
        table = fresh()
        kill, other = Kill(table), table.beside(table.name)
        ledgers = [await DynamoLedger.open(one) for one in (table, other)]
        try:
            a, b = map(World, ledgers)
            await story(a, b, kill)
            await b.balance()
        finally:
            await ledgers[1].feed.close()
            await ledgers[0].close()

    asyncio.run(run())


async def parts(meter: Meter | None = None) -> Any:
    """On an empty table. (Not all of a ledger is there, so it is no `Ledger` for a type checker.)"""
    table = fresh(meter)
    return Parts(table, Kill(table))


def play(story: Callable[[World, Parts], Awaitable[None]], meter: Meter | None = None) -> None:
    async def run() -> None:
        ledger = await parts(meter)
        try:
            await story(World(ledger), ledger)
        finally:
            await ledger.close()

    asyncio.run(run())


def bounce(w: World, address: str, **more: Any) -> NamedEvent:
    return w.event(EventKind.BOUNCED, recipient=address, permanence=Permanence.PERMANENT, **more)
