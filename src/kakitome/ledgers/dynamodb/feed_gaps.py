"""Which parts of the stream were gone before they were read: remembered until the counters are recounted."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.documents import change
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.marshal import Key

GAPS: Final = Key("C", "gaps")

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[str, int]).decode


class Gaps(NamedTuple):
    """By shard, when the first record behind the gap was (seconds)."""

    shards: dict[str, int]
    revision: int | None


async def note(desk: Desk, shard: str, at: int) -> None:
    await change(desk, [GAPS], lambda bodies: ([_pack({**_of(bodies[0]), shard: at})], (), None))


async def known(desk: Desk) -> Gaps:
    there = await desk.table.get(GAPS)
    image = None if there is None else image_of(there)
    return Gaps(_of(image.body if image else None), image.revision if image else None)


async def forget(desk: Desk, gaps: Gaps) -> None:
    """Unless there is one more by now."""
    if gaps.shards:
        await desk.table.put(body_item(GAPS, _pack({})), gaps.revision, desk.token())


def _of(body: bytes | None) -> dict[str, int]:
    return {} if body is None else _unpack(body)
