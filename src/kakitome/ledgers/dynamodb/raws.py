"""Events as the provider wrote them, some together in one compressed item: a message keeps only where its own is."""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence

import msgspec

from kakitome.core.event import Event
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, bytes_of
from kakitome.ledgers.dynamodb.marshal import Item

FULL = 300_000
"""Octets of an item at most, where several events share it (an item has 400 KB)."""

NOTHING = msgspec.Raw(b"null")

Place = tuple[str, int]
"""The name of a batch, and where in it."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


class Raws:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def keep(self, events: Iterable[Event]) -> dict[str, Place]:
        """Where each has its place, by its key; an event that came without JSON has none."""
        worth = [event for event in events if event.raw != NOTHING]
        items: list[Item] = []
        places: dict[str, Place] = {}
        for batch, packed in _packed(worth):
            name = urlsafe_b64encode(self._desk.token()).decode().rstrip("=")
            items.append(body_item(keys.events(name), packed))
            places |= {event.key: (name, n) for n, event in enumerate(batch)}
        await self._desk.table.put_many([(item, None) for item in items], self._desk.token())
        return places

    async def given_back(self, events: Iterable[Event], places: dict[str, Place]) -> list[Event]:
        """The events with their JSON again."""
        names = {name for name, _ in places.values()}
        read = await self._desk.table.get_many([keys.events(name) for name in names])
        batches = {key.pk: _unpack(zlib.decompress(bytes_of(item))) for key, item in read.items()}

        def raw(event: Event) -> msgspec.Raw:
            if event.key not in places:
                return NOTHING
            name, n = places[event.key]
            return msgspec.Raw(batches[keys.events(name).pk][n])

        return [msgspec.structs.replace(event, raw=raw(event)) for event in events]


def _packed(events: Sequence[Event]) -> list[tuple[Sequence[Event], bytes]]:
    """In as few parts as there is room for."""
    if not events:
        return []
    packed = zlib.compress(_pack([bytes(event.raw) for event in events]))
    if len(packed) <= FULL or len(events) == 1:
        return [(events, packed)]
    half = len(events) // 2
    return [*_packed(events[:half]), *_packed(events[half:])]
