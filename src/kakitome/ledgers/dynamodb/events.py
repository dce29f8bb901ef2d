"""Taking in what the providers say, in any order, any number of times, by any number of processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from kakitome.core.event import Event
from kakitome.core.ids import Fence, MessageId
from kakitome.ledgers.dynamodb.addresses import Addresses
from kakitome.ledgers.dynamodb.beyond import Beyond
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.raws import Raws
from kakitome.ledgers.dynamodb.taking import Owned, Taking, is_known
from kakitome.ledgers.dynamodb.waiting import There, Waiting
from kakitome.ledgers.memory.book import Book, EventBook
from kakitome.ledgers.memory.events import match_named, match_told
from kakitome.ports.records import Folded, NamedEvent


class Early:
    """Provider ids that become known, and the events that came before them."""

    def __init__(self, desk: Desk, addresses: Addresses, provider_ids: bool = True) -> None:
        self._desk = desk
        self._waiting = Waiting(desk, provider_ids)
        self._taking = Taking(desk, addresses)

    async def attempts_known(self, known: Iterable[Owned], now: int) -> None:
        """Attempts of these messages have these provider ids: says so for events to come, and takes in those that came
        early."""
        pairs = list(dict.fromkeys(known))
        await self._waiting.owned(pairs)
        await self.look([id for id, _ in pairs], now)

    async def made_sure(self, known: Iterable[Owned], now: int) -> None:
        """The same where it was said before, unless whoever did was cut off."""
        pairs = list(dict.fromkeys(known))
        if pairs:
            there = await self.there(id for id, _ in pairs)
            await self._waiting.owned([(id, message) for id, message in pairs if message not in there[id].owners])
            await self.look([id for id, _ in pairs], now)

    async def there(self, ids: Iterable[str]) -> dict[str, There]:
        asked = list(dict.fromkeys(ids))
        found = await asyncio.gather(*map(self._waiting.there, asked))
        return dict(zip(asked, found, strict=True))

    async def look(self, ids: Iterable[str], now: int) -> set[str]:
        """Take in what came early for these provider ids. Answers the keys of the events."""
        taken: set[str] = set()
        while marked := await self._waiting.marked(dict.fromkeys(ids)):
            there = list((await self.there(marked)).values())
            events = [kept for one in there for kept in one.events]
            raws = {key: place for one in there for key, place in one.raws.items()}
            shelves = await self._desk.shelves([id for one in there for id in one.owners])
            self._taking.match(events, shelves, _either)
            matched = [kept for kept in events if kept.message is not None]
            one = await self._taking.take(matched, shelves, raws, now)
            taken |= one.fresh
            # One may make another's attempt known: until none does.
            await self._waiting.owned(one.learnt)
            ids = [id for id, _ in one.learnt]
        return taken

    async def wait(self, events: Sequence[EventBook], raws: dict[str, tuple[str, int]], now: int) -> set[str]:
        return await self._waiting.wait(events, raws, now)


class DynamoEvents:
    def __init__(self, desk: Desk, addresses: Addresses, early: Early) -> None:
        self._desk = desk
        self._addresses = addresses
        self._early = early
        self._raws = Raws(desk)
        self._beyond = Beyond(desk)
        self._taking = Taking(desk, addresses)

    async def fold(self, events: Sequence[NamedEvent], now: int) -> Folded:
        """Nothing is counted as known before it is durable; whoever was cut off is repeated."""
        by_key: dict[str, EventBook] = {}
        for one in events:
            if one.event.key not in by_key:
                by_key[one.event.key] = EventBook(one.event, one.hash, now)
        shelves = await self._taking.named(by_key.values())
        raws = await self._raws.keep(kept.event for kept in by_key.values() if not is_known(kept, shelves))
        named = [kept for kept in by_key.values() if kept.message is not None]
        taken = await self._taking.take(named, shelves, raws, now)
        await self._early.attempts_known(taken.learnt, now)
        await self._early.made_sure(taken.repeated, now)
        # Those that name an attempt have told its provider id: now the others can be matched.
        others = [kept for kept in by_key.values() if kept.message is None]
        fresh, unmatched = await self._by_provider_ids(others, raws, now)
        fresh |= taken.fresh
        return Folded(len(fresh), len(events) - len(fresh), len(unmatched))

    async def _by_provider_ids(
        self, events: Sequence[EventBook], raws: dict[str, tuple[str, int]], now: int
    ) -> tuple[set[str], set[str]]:
        """The keys of the new ones, and of those among them that are nobody's."""
        there = await self._early.there(id for kept in events if (id := kept.event.provider_message_id))
        shelves = await self._desk.shelves([id for one in there.values() for id in one.owners])
        lost = self._taking.match(events, shelves, match_told)
        taken = await self._taking.take([kept for kept in events if kept.message is not None], shelves, raws, now)
        await self._addresses.tell([(kept, None) for kept in lost], now)
        waiting = await self._early.wait(lost, raws, now)
        # Whose they are may have become known in between.
        found = await self._early.look([id for kept in lost if (id := kept.event.provider_message_id)], now)
        return taken.fresh | waiting, waiting - found

    async def of(self, message: MessageId) -> list[Event]:
        there = (await self._desk.shelves([message])).get(message)
        if there is None:
            return []
        await self._beyond.add(there)
        about = sorted((kept.event for kept in there.events), key=lambda event: (event.at, event.key))
        return await self._raws.given_back(about, there.raws)


def _either(book: Book, kept: EventBook) -> tuple[MessageId, Fence] | None:
    return match_named(book, kept) or match_told(book, kept)
