"""Opens and clicks beyond those that count: they lie beside their message, which a script at a tracking pixel must not
fill (an item has 400 KB, and each event more makes the next one dearer)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from kakitome.core.engagement import MOST
from kakitome.core.event import EventKind
from kakitome.core.ids import MessageId
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import Shelved
from kakitome.ledgers.dynamodb.codec_events import StoredEvent, event_book, stored_event
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, bytes_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.dynamodb.raws import Place
from kakitome.ledgers.memory.book import EventBook

TOUCHES = (EventKind.OPENED, EventKind.CLICKED)

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(StoredEvent).decode


class Beyond:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def keep(
        self, events: Sequence[EventBook], shelves: Mapping[MessageId, Shelved], raws: Mapping[str, Place], now: int
    ) -> set[str]:
        """Answers the keys of those that are new."""
        items = []
        for kept in events:
            assert kept.message is not None
            items.append(_item(kept, shelves[kept.message], raws.get(kept.event.key), now))
        answers = await self._desk.table.put_many([(item, None) for item in items], self._desk.token())
        return {kept.event.key for kept, answer in zip(events, answers, strict=True) if answer is None}

    async def add(self, there: Shelved) -> None:
        """Puts what lies beside the message to its events."""
        if not _is_full(there.events):
            return
        for item in await self._desk.table.query(_place(there.message.id)):
            stored = _unpack(bytes_of(item))
            there.events.append(event_book(stored, there.message.id))
            if stored.raw is not None:
                there.raws[stored.key] = stored.raw


def is_beyond(kept: EventBook, there: Shelved) -> bool:
    """Whether nothing that is counted or told of this message can change by it: it is later than the earliest ones,
    which are those that count, not the first of its kind, and tells nothing new of its attempt."""
    event = kept.event
    if event.kind not in TOUCHES or len(there.events) < MOST or kept.fence is None:
        return False
    attempt = there.message.tries[kept.fence]
    if attempt.proved is None or attempt.proved > event.at or (event.provider_message_id and not attempt.provider_id):
        return False
    earlier = [one for one in there.events if (one.event.at, one.event.key) < (event.at, event.key)]
    return _is_full(earlier) and any(one.event.kind is event.kind for one in earlier)


def _is_full(events: Sequence[EventBook]) -> bool:
    return len(events) >= MOST and sum(one.touch is not None for one in events) >= MOST


def _place(id: MessageId) -> str:
    return f"o{keys.sortable(id)}"


def _item(kept: EventBook, there: Shelved, raw: Place | None, now: int) -> Item:
    event, message = kept.event, there.message
    data = {"event": event.key, "happening": event.kind, "fence": kept.fence}
    told = Entry(seq=0, at=now, kind="event", run=message.run, message=message.id, data=data)
    key = Key(_place(message.id), keys.short(event.key))
    return body_item(key, _pack(stored_event(kept, raw)), [told])
