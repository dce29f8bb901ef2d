"""What is open: single mails and rows that came back by the index, rows before their first outcome by their pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection

from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import State
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import WAITING, message_id, open_part
from kakitome.ledgers.dynamodb.marshal import Item
from kakitome.ledgers.dynamodb.pages import Pages
from kakitome.ledgers.memory.book import Message

LOOK = 256
"""Entries of the index that are read at once."""


class Open:
    """Looks only; whoever acts on what is found looks at each message again. The index may be a moment behind."""

    def __init__(self, desk: Desk, pages: Pages) -> None:
        self._desk = desk
        self._pages = pages

    async def listed(self, run: RunId, until: int | None = None, part: str = WAITING) -> AsyncIterator[list[Message]]:
        """The messages of a part of the open index in its order (due, then id), some at a time."""
        async for entries in self.entries(run, until, part):
            ids = [message_id(entry) for entry in entries]
            shelves = await self._desk.shelves(ids)
            yield [shelves[id].message for id in ids if id in shelves]

    async def entries(self, run: RunId, until: int | None = None, part: str = WAITING) -> AsyncIterator[list[Item]]:
        """The same as the index has them. Due up to `until`, all of them where it is None."""
        after: str | None = None
        last = None if until is None else keys.sortable(max(0, until) + 1)
        while True:
            found = await self._desk.table.query(
                open_part(run, part), index="open", after=after, until=last, limit=LOOK
            )
            if found:
                yield found
            if len(found) < LOOK:
                return
            after = str(found[-1]["w"])

    async def messages(self, case: Case, now: int, until: int | None = None) -> AsyncIterator[list[Message]]:
        """Everything of the run that is open, some at a time: by due from the index, then page by page."""
        async for found in self.listed(case.book.run.id, until):
            yield found
        async for found in self.first_timers(case, now):
            yield found

    async def first_timers(self, case: Case, now: int) -> AsyncIterator[list[Message]]:
        """The rows before or in their first attempt, page by page."""
        if case.book.run.campaign:
            async for found in self._pages.first_timers(case, now):
                yield found

    async def queued(
        self, case: Case, now: int, paces: Collection[str] | None = None, until: int | None = None
    ) -> AsyncIterator[list[Message]]:
        """What waits, and is due up to `until` (None: whenever it is due); of these paces, or of any."""

        def is_wanted(m: Message) -> bool:
            is_due = until is None or m.due <= until
            return m.state is State.QUEUED and is_due and (paces is None or m.pace in paces)

        async for found in self.listed(case.book.run.id, until):
            yield list(filter(is_wanted, found))
        if case.book.run.campaign:
            async for found in self._pages.waiting(case, now, paces):
                yield list(filter(is_wanted, found))

    async def due(self, case: Case, n: int, now: int, pace: str) -> list[MessageId]:
        """See `ports.messages.Messages.due`. Of a list of several pages the order is that of the pages."""
        wanted: list[Message] = []
        if n > 0:
            async for found in self.queued(case, now, {pace}, until=now):
                wanted += found
                if len(wanted) >= n:
                    break
        return [m.id for m in sorted(wanted, key=lambda m: (m.due, m.id))[:n]]

    async def first(self, messages: AsyncIterator[list[Message]], is_it: Callable[[Message], bool]) -> Message | None:
        async for found in messages:
            if (one := next(filter(is_it, found), None)) is not None:
                return one
        return None
