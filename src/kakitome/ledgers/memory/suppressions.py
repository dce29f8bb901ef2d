"""Whom not to write to."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.ledgers.memory.book import Book
from kakitome.ports.records import Suppression


class MemorySuppressions:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def add(self, suppressions: Sequence[Suppression], now: int) -> int:
        return sum(suppress(self._book, one, now) for one in suppressions)

    async def remove(self, hash: int, scope: str, who: str, note: str, now: int) -> bool:
        gone = self._book.suppressions.pop((hash, scope), None)
        if gone is not None:
            self._book.enter(
                now, "released_address", address_hash=hash, scope=scope, reason=gone.reason, who=who, note=note
            )
        return gone is not None

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
