"""Which of many processes reads the stream. All of them may, and nothing would be counted twice; but AWS answers two
readers of a shard, five times a second (*Amazon DynamoDB Developer Guide*, "Change data capture", "Streams quotas").
"""

from __future__ import annotations

from typing import Final

import msgspec

from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.marshal import Key

DUTY: Final = Key("C", "duty")
LASTS: Final = 20_000
"""Milliseconds for which a process has it. It takes it again when half of them are over."""


class Held(msgspec.Struct, frozen=True, array_like=True):
    who: bytes
    until: int


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Held).decode


class Duty:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._who = desk.token()
        self._until = 0

    async def is_mine(self, now: int) -> bool:
        """Now, and as long as it is asked for: the first who asks when nobody has it is given it."""
        if now < self._until - LASTS // 2:
            return True
        there = await self._desk.table.get(DUTY)
        held = _unpack(image_of(there).body) if there else None
        self._until = 0
        if held is not None and held.who != self._who and now < held.until:
            return False
        item = body_item(DUTY, _pack(Held(self._who, now + LASTS)))
        if await self._desk.table.put(item, image_of(there).revision if there else None, self._desk.token()) is None:
            self._until = now + LASTS
        return self._until > 0
