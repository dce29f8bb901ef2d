"""The last look before mails are written: each with its run, and whether its address is suppressed, as they are now.

Of a message that is remembered, run and address are known before it is read again, for they never change: then all is
one request, and a child of a Distributed Map, which has just put its rows there, asks once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kakitome.core.ids import MessageId
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.addresses import known_of
from kakitome.ledgers.dynamodb.breath import in_breaths
from kakitome.ledgers.dynamodb.codec import unpack_message, unpack_run
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import Image, image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.memory.book import Book, Message


async def last_look(desk: Desk, ids: Collection[MessageId]) -> Book:
    """A book with those of the messages that exist, their runs and suppressions."""
    seen = desk.seen(ids)
    lacking = {id for id in ids if id not in seen}
    seen |= await desk.images(list(lacking))
    known = {id: unpack_message(image.body).message async for id, image in in_breaths(seen.items())}
    runs = {keys.run(message.run) for message in known.values()}
    addresses = {keys.address(message.hash) for message in known.values()}
    asked = [keys.message(id) for id in known if id not in lacking]
    read = await desk.table.get_many([*asked, *runs, *addresses])
    book = desk.book()
    book.messages = {id: known[id] for id in lacking if id in known}
    there = await desk.looked(read[key] for key in asked if key in read)
    book.messages |= await _as_now(there, seen, known)
    cases = [unpack_run(image_of(item).body) for item in _those(read, runs)]
    book.runs = {case.book.run.id: case.book for case in cases}
    told = [one for known in known_of(_those(read, addresses)).values() for one in known.suppressions]
    book.suppressions = {(one.hash, one.scope): one for one in told}
    return book


async def _as_now(
    images: Mapping[MessageId, Image], before: Mapping[MessageId, Image], known: Mapping[MessageId, Message]
) -> dict[MessageId, Message]:
    """What is as it was is not unpacked twice."""
    return {
        id: known[id] if image.body == before[id].body else unpack_message(image.body).message
        async for id, image in in_breaths(images.items())
    }


def _those(read: Mapping[Key, Item], wanted: Collection[Key]) -> list[Item]:
    return [item for key, item in read.items() if key in wanted]
