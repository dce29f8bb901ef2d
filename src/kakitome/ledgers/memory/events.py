"""Taking in what the providers say."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kakitome.core.correlation import attempts_named
from kakitome.core.event import Event, EventKind
from kakitome.core.ids import Fence, MessageId
from kakitome.core.lifecycle import Cause
from kakitome.core.suppression import KINDS
from kakitome.ledgers.memory.book import Book, EventBook
from kakitome.ledgers.memory.suppressions import reconsider
from kakitome.ports.records import Folded, NamedEvent


class MemoryEvents:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def fold(self, named: Sequence[NamedEvent], now: int) -> Folded:
        book = self._book
        fresh: list[EventBook] = []
        for one in named:
            if one.event.key not in book.events:
                book.events[one.event.key] = kept = EventBook(one.event, one.hash, now)
                fresh.append(kept)
        matched = _match_waiting(book, now)
        unmatched = [kept for kept in fresh if kept.message is None]
        for kept in unmatched:
            book.enter(now, "event_unmatched", event=kept.event.key, happening=kept.event.kind)
        _reconsider(book, [*fresh, *matched], {kept.event.key for kept in fresh}, now)
        return Folded(len(fresh), len(named) - len(fresh), len(unmatched))

    async def of(self, message: MessageId) -> list[Event]:
        about = [kept.event for kept in self._book.events.values() if kept.message == message]
        return sorted(about, key=lambda event: (event.at, event.key))


def match_waiting(book: Book, now: int) -> None:
    """Take in every event whose attempt is known by now. One may make another's attempt known: until none does."""
    _reconsider(book, _match_waiting(book, now), (), now)


def _match_waiting(book: Book, now: int) -> list[EventBook]:
    matched: list[EventBook] = []
    found = True
    while found:
        found = False
        for kept in book.events.values():
            if kept.message is None and (where := match_named(book, kept) or match_told(book, kept)):
                kept.message, kept.fence = where
                take_in(book, kept.event, *where, now)
                found = True
                matched.append(kept)
    return matched


def match_named(book: Book, kept: EventBook) -> tuple[MessageId, Fence] | None:
    """By our own correlation; if it names several messages (siblings in one request), by the recipient."""
    claims = attempts_named(kept.event)
    for id, fence in claims:
        message = book.messages.get(id)
        theirs = message is not None and (len(claims) == 1 or message.hash == kept.hash)
        if message is not None and theirs and fence in message.tries:
            return id, fence
    return None


def match_told(book: Book, kept: EventBook) -> tuple[MessageId, Fence] | None:
    """By the provider's id, for where our correlation was lost; if several messages share it, by the recipient."""
    if not kept.event.provider_message_id:
        return None
    there = [
        (m.hash == kept.hash, m.id, fence)
        for m in book.messages.values()
        for fence, attempt in m.tries.items()
        if attempt.provider_id == kept.event.provider_message_id
    ]
    ours = [one for one in there if one[0]] or (there if len({id for _, id, _ in there}) == 1 else [])
    return min(ours)[1:] if ours else None


def take_in(book: Book, event: Event, id: MessageId, fence: Fence, now: int) -> None:
    """What the event says of its attempt."""
    message = book.messages[id]
    attempt = message.tries[fence]
    book.enter(now, "event", run=message.run, message=id, event=event.key, happening=event.kind, fence=fence)
    if event.kind is EventKind.UNKNOWN:
        return
    attempt.proved = event.at if attempt.proved is None else min(attempt.proved, event.at)
    attempt.provider_id = attempt.provider_id or event.provider_message_id or None
    if book.prove(message, fence, now):
        book.enter(now, Cause.PROOF, run=message.run, message=id, fence=fence, event=event.key)
    book.count_copies(message)


def _reconsider(book: Book, about: Sequence[EventBook], fresh: Collection[str], now: int) -> None:
    reconsider(book, {k.hash for k in about if k.hash is not None and k.event.kind in KINDS}, fresh, now)
