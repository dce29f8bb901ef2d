"""Events whose message is known are taken in: the address first, the message after it. Whoever is cut off in between is
repeated by the events' next delivery, since the message does not have them yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kakitome.core.correlation import attempts_named
from kakitome.core.ids import Fence, MessageId
from kakitome.core.suppression import KINDS
from kakitome.ledgers.dynamodb.addresses import Addresses
from kakitome.ledgers.dynamodb.beyond import Beyond, is_beyond
from kakitome.ledgers.dynamodb.codec import Shelved, unpack_message
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.raws import Place
from kakitome.ledgers.memory.book import Book, EventBook
from kakitome.ledgers.memory.events import match_named, take_in

Match = Callable[[Book, EventBook], tuple[MessageId, Fence] | None]
Shelves = dict[MessageId, Shelved]
Owned = tuple[str, MessageId]
"""A provider's id, and a message of which an attempt has it."""


@dataclass
class Taken:
    """`fresh`: the keys of those that were new to their messages. `learnt`: provider ids by which attempts are known
    now; `repeated`: those of events that had been taken in before."""

    fresh: set[str] = field(default_factory=set)
    learnt: list[Owned] = field(default_factory=list)
    repeated: list[Owned] = field(default_factory=list)


class Taking:
    def __init__(self, desk: Desk, addresses: Addresses) -> None:
        self._desk = desk
        self._addresses = addresses
        self._beyond = Beyond(desk)

    async def named(self, events: Collection[EventBook]) -> Shelves:
        """Give each event the attempt that it names, if there is one. Answers the messages that are named."""
        ids = {kept.event.key: [id for id, _ in attempts_named(kept.event)] for kept in events}
        images = await self._desk.images(list(dict.fromkeys(id for named in ids.values() for id in named)))
        shelves = {id: unpack_message(image.body) for id, image in images.items()}
        lost = [kept for kept in self.match(events, shelves, match_named) if ids[kept.event.key]]
        # Messages are looked at as they are remembered; what is not found there may have come since.
        stale = [id for kept in lost for id in ids[kept.event.key] if id in images and not images[id].fresh]
        if stale:
            shelves |= await self._desk.shelves(stale)
            self.match(lost, shelves, match_named)
        return shelves

    def match(self, events: Iterable[EventBook], shelves: Shelves, match: Match) -> list[EventBook]:
        """Give each event its attempt among these messages. Answers those that have none."""
        book = self._desk.book()
        book.messages = {id: there.message for id, there in shelves.items()}
        lost = []
        for kept in events:
            where = match(book, kept)
            if where is None:
                lost.append(kept)
            else:
                kept.message, kept.fence = where
        return lost

    async def take(self, matched: Sequence[EventBook], shelves: Shelves, raws: Mapping[str, Place], now: int) -> Taken:
        """Events that have their attempt; `shelves` has their messages."""
        new = [kept for kept in matched if not is_known(kept, shelves)]
        by_id: dict[MessageId, list[EventBook]] = {}
        beyond: list[EventBook] = []
        for kept in new:
            assert kept.message is not None
            there = beyond if is_beyond(kept, shelves[kept.message]) else by_id.setdefault(kept.message, [])
            there.append(kept)
        await self._tell(new, shelves, now)
        parts = await self._desk.each(by_id, lambda book, id: _take(book, id, by_id[id], now), raws)
        taken = Taken(await self._beyond.keep(beyond, shelves, raws, now))
        for part in parts.values():
            taken.fresh |= part.fresh
            taken.learnt += part.learnt
        for kept in matched:
            if kept.event.key not in taken.fresh and kept.event.provider_message_id and kept.message is not None:
                taken.repeated.append((kept.event.provider_message_id, kept.message))
        return taken

    async def _tell(self, events: Sequence[EventBook], shelves: Shelves, now: int) -> None:
        runs = {
            kept.message: shelves[kept.message].message.run
            for kept in events
            if kept.message is not None and kept.hash is not None and kept.event.kind in KINDS
        }
        cases = await self._desk.cases.of(set(runs.values()))
        streams = {id: cases[run].book.run.stream for id, run in runs.items()}
        told = [(kept, streams[kept.message]) for kept in events if kept.message in streams]
        await self._addresses.tell(told, now)


def is_known(kept: EventBook, shelves: Shelves) -> bool:
    """Whether its message has it already."""
    there = None if kept.message is None else shelves.get(kept.message)
    return there is not None and any(one.event.key == kept.event.key for one in there.events)


def _take(book: Book, id: MessageId, events: Sequence[EventBook], now: int) -> Taken:
    taken = Taken()
    for kept in events:
        assert kept.fence is not None
        if kept.event.key not in book.events:
            attempt = book.messages[id].tries[kept.fence]
            before = attempt.provider_id
            book.events[kept.event.key] = kept
            take_in(book, kept.event, id, kept.fence, now)
            taken.fresh.add(kept.event.key)
            if attempt.provider_id is not None and attempt.provider_id != before:
                taken.learnt.append((attempt.provider_id, id))
    return taken
