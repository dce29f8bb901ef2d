"""By a provider's id: whose it is, and the events that came before that was known.

Whoever learns an id writes whose it is and looks for events then; whoever has an event of an unknown id writes the
event and looks whose it is then. Reads are strong, so one of the two sees the other. A mark beside the events spares
whoever learns an id a query: of a hundred ids at once, the marks are one request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from kakitome.core.ids import MessageId
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec_events import StoredEvent, event_book, stored_event
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, bytes_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.dynamodb.raws import Place
from kakitome.ledgers.memory.book import EventBook

OWNER, EVENT, MARK = "m", "e", "!"

_pack = msgspec.msgpack.Encoder().encode
_owners = msgspec.msgpack.Decoder(tuple[MessageId, ...]).decode
_event = msgspec.msgpack.Decoder(StoredEvent).decode


@dataclass
class There:
    """What lies with a provider's id. `raws`: where the events' JSON is, by key."""

    owners: set[MessageId] = field(default_factory=set)
    events: list[EventBook] = field(default_factory=list)
    raws: dict[str, Place] = field(default_factory=dict)


class Waiting:
    """With `keeps` false whose an id is, is written nowhere and asked nowhere: an event that names nobody waits for
    ever."""

    def __init__(self, desk: Desk, keeps: bool = True) -> None:
        self._desk = desk
        self._keeps = keeps

    async def owned(self, known: Iterable[tuple[str, MessageId]]) -> None:
        """These ids are of attempts of these messages. Each of several siblings with one id names all of them, so that
        nobody sees a part and takes the event of one for another's."""
        by_id: dict[str, list[MessageId]] = {}
        for id, message in known if self._keeps else ():
            by_id.setdefault(id, []).append(message)
        await self._desk.table.put_blindly(
            body_item(_owner(id, message), _pack(sorted(messages)))
            for id, messages in by_id.items()
            for message in messages
        )

    async def marked(self, ids: Collection[str]) -> list[str]:
        """Those of the ids that have events which came early."""
        read = await self._desk.table.get_many([_mark(id) for id in ids]) if self._keeps else ()
        return [id for id in ids if _mark(id) in read]

    async def there(self, id: str) -> There:
        found = There()
        if not self._keeps:
            return found
        for item in await self._desk.table.query(keys.provider_id(id)):
            if str(item["sk"]).startswith(OWNER):
                found.owners.update(_owners(bytes_of(item)))
            elif str(item["sk"]).startswith(EVENT):
                stored = _event(bytes_of(item))
                found.events.append(event_book(stored, None))
                if stored.raw is not None:
                    found.raws[stored.key] = stored.raw
        return found

    async def wait(self, events: Sequence[EventBook], raws: Mapping[str, Place], now: int) -> set[str]:
        """Keep these events until it is known whose they are. Answers the keys of those that are new."""
        items = [_item(kept, raws.get(kept.event.key), now) for kept in events]
        answers = await self._desk.table.put_many([(item, None) for item in items], self._desk.token())
        marked = [id for kept in events if (id := kept.event.provider_message_id)] if self._keeps else ()
        await self._desk.table.put_blindly(body_item(_mark(id), b"") for id in marked)
        return {kept.event.key for kept, answer in zip(events, answers, strict=True) if answer is None}


def _item(kept: EventBook, raw: Place | None, now: int) -> Item:
    event = kept.event
    told = Entry(seq=0, at=now, kind="event_unmatched", data={"event": event.key, "happening": event.kind})
    id = event.provider_message_id
    pk = keys.provider_id(id) if id else keys.no_provider_id(event.key)
    return body_item(Key(pk, EVENT + keys.short(event.key)), _pack(stored_event(kept, raw)), [told])


def _owner(id: str, message: MessageId) -> Key:
    return Key(keys.provider_id(id), OWNER + keys.sortable(message))


def _mark(id: str) -> Key:
    return Key(keys.provider_id(id), MARK)
