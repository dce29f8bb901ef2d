"""What is known of an address, as one document: whom not to write to, what persons took back, what events said.

It is changed as a whole over the revision that was read, by the memory ledger's rules. People page through addresses
in their order: each address with something to show has a pointer in one ordered partition, written before its document.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId
from kakitome.core.suppression import KINDS, Told
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec_events import StoredEvent, event_book, stored_event
from kakitome.ledgers.dynamodb.desk import TRIES, Desk, at_once
from kakitome.ledgers.dynamodb.items import Image, body_item, image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.memory.book import Book, EventBook
from kakitome.ledgers.memory.suppressions import MemorySuppressions, heed, suppress
from kakitome.ports.records import Released, Suppression

MOST_TOLD = 500
FULL = 200_000
"""Events of one address that are remembered, the newest; and octets of a document, beyond which half of them are
forgotten. An address that bounces for ever must not fill it (an item has 400 KB); who is suppressed stays so."""

LOOK = 100
"""Pointers that are read at once, at least."""

R = TypeVar("R")


class StoredTold(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    event: StoredEvent
    message: int | None = None
    stream: str | None = None


class StoredAddress(msgspec.Struct, frozen=True, array_like=True):
    hash: int
    suppressions: tuple[Suppression, ...] = ()
    released: tuple[Released, ...] = ()
    told: tuple[StoredTold, ...] = ()


@dataclass
class Known:
    """A document on the desk. `told` is by the event's key."""

    hash: int
    suppressions: list[Suppression] = field(default_factory=list)
    released: list[Released] = field(default_factory=list)
    told: dict[str, StoredTold] = field(default_factory=dict)

    def addresses(self) -> set[str]:
        """Under which it is listed."""
        return {one.address for one in self.suppressions} | {one.was.address for one in self.released}


Rule = Callable[[Book, Known], R]
"""Changes the book's suppressions and removals, which are this address's, and `Known.told`."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(StoredAddress).decode


class Addresses:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def known(self, hashes: Iterable[int]) -> dict[int, Known]:
        """Those of whom something is known, as it is now, by hash."""
        read = await self._desk.table.get_many([keys.address(hash) for hash in hashes])
        return known_of(read.values())

    async def suppressions(self, hashes: Iterable[int]) -> list[Suppression]:
        """Of these addresses, as they are now: by hash and scope."""
        return [one for known in (await self.known(hashes)).values() for one in known.suppressions]

    async def tell(self, events: Iterable[tuple[EventBook, str | None]], now: int) -> None:
        """Each event with the stream of its message, as far as that is known. Remembers those that decide whom not to
        write to, and does what all of an address call for."""
        by_hash: dict[int, list[tuple[EventBook, str | None]]] = {}
        for kept, stream in events:
            if kept.hash is not None and kept.event.kind in KINDS:
                by_hash.setdefault(kept.hash, []).append((kept, stream))
        await self.each(by_hash, lambda book, known: _tell(book, known, by_hash[known.hash], now))

    async def each(self, hashes: Iterable[int], rule: Rule[R]) -> dict[int, R]:
        """Apply the rule to each of these addresses by itself. What it changed is durable when this answers."""
        said: dict[int, R] = {}
        todo = list(dict.fromkeys(hashes))
        for _ in range(TRIES):
            if not todo:
                return said
            read = await self._desk.table.get_many([keys.address(hash) for hash in todo])
            writes: dict[int, tuple[Item, int | None]] = {}
            pointers: list[Item] = []
            for hash in todo:
                image = image_of(read[keys.address(hash)]) if keys.address(hash) in read else None
                said[hash], change, listed = self._apply(hash, image, rule)
                if change is not None:
                    writes[hash] = change, image.revision if image else None
                pointers += [_pointer(address, hash) for address in sorted(listed)]
            await self._desk.table.put_blindly(pointers)
            answers = await self._desk.table.put_many(list(writes.values()), self._desk.token())
            todo = [hash for hash, answer in zip(writes, answers, strict=True) if answer is not None]
        raise LedgerUnavailable(
            "Too many others change the same addresses at the same time.", "What was not written is tried again later."
        )

    def _apply(self, hash: int, image: Image | None, rule: Rule[R]) -> tuple[R, Item | None, set[str]]:
        """What the rule says, the document if it is different, and the addresses under which it is new in the list."""
        known = Known(hash) if image is None else _known(image.body)
        before, book = known.addresses(), self._desk.book()
        book.suppressions = {(hash, one.scope): one for one in known.suppressions}
        book.released = {(hash, one.was.scope): one for one in known.released}
        said = rule(book, known)
        known.suppressions = [one for _, one in sorted(book.suppressions.items())]
        known.released = [one for _, one in sorted(book.released.items())]
        body = _body(known)
        if not book.journal and body == (image.body if image else _body(Known(hash))):
            return said, None, set()
        return said, body_item(keys.address(hash), body, book.journal), known.addresses() - before

    async def behind(self, after: str, n: int, pick: Callable[[Known], Sequence[tuple[str, R]]]) -> list[R]:
        """Of the records that `pick` finds in a document, each with its address: those behind `after`, `n` and what
        else the last address has. Of one address in the order of `pick`."""
        found: list[tuple[str, R]] = []
        since: str | None = _listed(after)
        while since is not None and n > 0:
            pointers = await self._desk.table.query(keys.LISTED, since=since, limit=max(LOOK, n + 1))
            full = len(pointers) == max(LOOK, n + 1)
            since = str(pointers[-1]["sk"]) + "\0" if full else None
            places = [_place(item) for item in pointers]
            known = await self.known({hash for _, hash in places})
            for address, hash in places:
                picked = pick(known[hash]) if hash in known else ()
                found += [one for one in picked if one[0] == address and address > after]
            if full and sum(address != places[-1][0] for address, _ in found) >= n:
                break
        found.sort(key=lambda one: one[0])
        wanted = {address for address, _ in found[:n]}
        return [one for address, one in found if address in wanted]


class DynamoSuppressions:
    def __init__(self, desk: Desk, addresses: Addresses) -> None:
        self._addresses = addresses

    async def add(self, suppressions: Sequence[Suppression], now: int) -> int:
        by_hash: dict[int, list[Suppression]] = {}
        for one in suppressions:
            by_hash.setdefault(one.hash, []).append(one)

        def rule(book: Book, known: Known) -> int:
            return sum(suppress(book, one, now) for one in by_hash[known.hash])

        return sum((await self._addresses.each(by_hash, rule)).values())

    async def remove(self, hash: int, scope: str, who: str, note: str, now: int) -> bool:
        def rule(book: Book, _: Known) -> bool:
            return at_once(MemorySuppressions(book).remove(hash, scope, who, note, now))

        return (await self._addresses.each([hash], rule))[hash]

    async def released(self, after: str, n: int) -> list[Released]:
        return await self._addresses.behind(after, n, lambda known: [(one.was.address, one) for one in known.released])

    async def released_of(self, hashes: Sequence[int]) -> list[Released]:
        return [one for known in (await self._addresses.known(hashes)).values() for one in known.released]

    async def find(self, hashes: Sequence[int]) -> list[Suppression]:
        return await self._addresses.suppressions(hashes)

    async def list(self, after: str, n: int) -> list[Suppression]:
        return await self._addresses.behind(after, n, lambda known: [(one.address, one) for one in known.suppressions])


def known_of(read: Iterable[Item]) -> dict[int, Known]:
    found = [_known(image_of(item).body) for item in read]
    return {known.hash: known for known in sorted(found, key=lambda known: known.hash)}


def _known(body: bytes) -> Known:
    s = _unpack(body)
    return Known(s.hash, list(s.suppressions), list(s.released), {one.event.key: one for one in s.told})


def _body(known: Known) -> bytes:
    told = tuple(known.told.values())[-MOST_TOLD:]
    while True:
        body = _pack(StoredAddress(known.hash, tuple(known.suppressions), tuple(known.released), told))
        if len(body) <= FULL or not told:
            return body
        told = told[len(told) // 2 + 1 :]


def _tell(book: Book, known: Known, events: Collection[tuple[EventBook, str | None]], now: int) -> None:
    """What was known before is not fresh: whoever repeats a fold that was cut off brings nothing back."""
    fresh = {kept.event.key for kept, _ in events} - known.told.keys()
    before = dict(known.told)
    for kept, stream in events:
        there = known.told.get(kept.event.key)
        if there is None:
            known.told[kept.event.key] = StoredTold(_stored(kept), kept.message, stream)
        elif there.message is None and kept.message is not None:
            known.told[kept.event.key] = msgspec.structs.replace(there, message=kept.message, stream=stream)
    if known.told != before:
        heed(book, known.hash, [_told(one, fresh) for one in known.told.values()], now)


def _stored(kept: EventBook) -> StoredEvent:
    """Without what only its message needs."""
    event = msgspec.structs.replace(kept.event, message=None, attempt=None, provider_message_id="", link=None)
    return stored_event(EventBook(event, None, kept.received), None)


def _told(one: StoredTold, fresh: Collection[str]) -> Told:
    kept = event_book(one.event, None)
    message = None if one.message is None else MessageId(one.message)
    return Told(kept.event, kept.received, kept.event.key in fresh, message, one.stream)


def _listed(address: str) -> str:
    """In the order of the addresses, whatever characters they have; of very long ones only the beginning counts (a sort
    key has 1024 octets)."""
    return address.replace("\0", "\0\2").encode()[:900].decode(errors="ignore")


def _pointer(address: str, hash: int) -> Item:
    key = Key(keys.LISTED, f"{_listed(address)}\0\1{hash % (1 << 64):016x}")
    return body_item(key, _pack((address, hash)))


def _place(item: Item) -> tuple[str, int]:
    body = item["d"]
    assert isinstance(body, bytes)
    return msgspec.msgpack.decode(body, type=tuple[str, int])
