"""Claims that were written and that nobody hears of, because what belongs to them went wrong: they are given back, so
that they wait again instead of being in doubt when their lease is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed, Settlement
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.memory.book import Book
from kakitome.ledgers.memory.settling import settle


@asynccontextmanager
async def giving_back(desk: Desk, held: Callable[[], Iterable[Claimed]], now: int) -> AsyncIterator[None]:
    """Where the ledger fails within, what is `held` by then. What cannot be given back ends by its lease."""
    try:
        yield
    except LedgerUnavailable:
        fences = {claimed.id: claimed.fence for claimed in held()}

        def rule(book: Book, id: MessageId) -> None:
            settle(book, [Settlement(id=id, fence=fences[id], cause=Cause.RELEASED)], now)

        with suppress(LedgerUnavailable):
            await desk.each(fences, rule, runs=False)
        raise
