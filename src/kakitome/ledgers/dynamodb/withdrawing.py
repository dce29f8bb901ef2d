"""Everything open of a cancelled campaign is withdrawn, message by message: by whoever cancels it, and by the sweeper
where that one was cut off, or where a row came in at the same time."""

from __future__ import annotations

from typing import Final

from kakitome.core.lifecycle import OPEN, Cause
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.memory.book import Book

NOBODY: Final = "sweep"
"""Who it was, where so much has happened since that the campaign does not know it any more."""


async def withdraw(desk: Desk, open: Open, case: Case, who: str, now: int) -> None:
    """What was withdrawn before, is left alone; what is on the wire ends by its outcome."""

    def rule(book: Book, id: int) -> None:
        message = next(iter(book.messages.values()))
        if message.state in OPEN and message.withdrawn_by is None:
            message.withdrawn_by = who
            book.change(message, Cause.CANCELLED, now)

    async for found in open.messages(case, now):
        await desk.each([m.id for m in found if m.withdrawn_by is None], rule)


def cancelled_by(case: Case) -> str:
    """Who cancelled the campaign."""
    told = [entry.data.get("who") for entry in case.history if entry.kind == "campaign_cancelled"]
    return str(told[-1]) if told else NOBODY
