"""Whom not to write to: what persons say, and what the events call for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from kakitome.core.suppression import KINDS, Removal, Told, called_for, ended
from kakitome.ledgers.memory.book import Book, EventBook
from kakitome.ports.records import Released, Suppression


class MemorySuppressions:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def add(self, suppressions: Sequence[Suppression], now: int) -> int:
        return sum(suppress(self._book, one, now) for one in suppressions)

    async def remove(self, hash: int, scope: str, who: str, note: str, now: int) -> bool:
        gone = release(self._book, hash, scope, who, note, now)
        if gone is not None:
            self._book.released[hash, scope] = Released(was=gone, who=who, note=note, at=now)
        return gone is not None

    async def released(self, after: str, n: int) -> list[Released]:
        behind = sorted(
            (one for one in self._book.released.values() if one.was.address > after),
            key=lambda one: (one.was.address, one.was.hash, one.was.scope),
        )
        return [one for one in behind if one.was.address in {first.was.address for first in behind[:n]}]

    async def released_of(self, hashes: Sequence[int]) -> list[Released]:
        return [one for (hash, _), one in sorted(self._book.released.items()) if hash in hashes]

    async def find(self, hashes: Sequence[int]) -> list[Suppression]:
        return [one for (hash, _), one in sorted(self._book.suppressions.items()) if hash in hashes]

    async def list(self, after: str, n: int) -> list[Suppression]:
        behind = sorted(
            (one for one in self._book.suppressions.values() if one.address > after),
            key=lambda one: (one.address, one.hash, one.scope),
        )
        return [one for one in behind if one.address in {first.address for first in behind[:n]}]


def suppress(book: Book, new: Suppression, now: int) -> bool:
    """True if it is new; the first reason stays."""
    if (new.hash, new.scope) in book.suppressions:
        return False
    book.suppressions[new.hash, new.scope] = msgspec.structs.replace(new, at=new.at or now)
    book.enter(
        now,
        "suppressed_address",
        address_hash=new.hash,
        scope=new.scope,
        reason=new.reason,
        who=new.who,
        source=new.source,
        note=new.note,
    )
    return True


def release(book: Book, hash: int, scope: str, who: str, note: str, now: int) -> Suppression | None:
    """What was removed."""
    gone = book.suppressions.pop((hash, scope), None)
    if gone is not None:
        book.enter(now, "released_address", address_hash=hash, scope=scope, reason=gone.reason, who=who, note=note)
    return gone


def reconsider(book: Book, hashes: Collection[int], fresh: Collection[str], now: int) -> None:
    """What the events of these addresses call for now; `fresh` are the keys of those that came just now."""
    for hash in sorted(hashes):
        about = [kept for kept in book.events.values() if kept.hash == hash and kept.event.kind in KINDS]
        heed(book, hash, [_told(book, kept, fresh) for kept in about], now)


def heed(book: Book, hash: int, told: Sequence[Told], now: int) -> None:
    """Add and remove what these events, all of the address, call for."""
    removed = {scope: Removal(one.at, one.was.source) for (whose, scope), one in book.released.items() if whose == hash}
    calls = called_for(told, removed, book.transient)
    for held in [one for (whose, _), one in sorted(book.suppressions.items()) if whose == hash]:
        over = ended(held.scope, held.source, held.at, told, calls) if held.reason == "unsubscribe" else None
        if over is not None:
            release(book, hash, held.scope, over.provider, over.key, now)
    for call in calls:
        suppress(book, Suppression.called(call, hash, now), now)


def _told(book: Book, kept: EventBook, fresh: Collection[str]) -> Told:
    stream = None if kept.message is None else book.runs[book.messages[kept.message].run].run.stream
    return Told(kept.event, kept.received, kept.event.key in fresh, kept.message, stream)
