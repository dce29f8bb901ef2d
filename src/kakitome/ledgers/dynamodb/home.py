"""Is this the table that the ledger was made in? A restored one must not send again what was sent since its backup.

AWS restores into a new table (*Amazon DynamoDB Developer Guide*, "Point-in-time recovery for DynamoDB"). An item says
the region and the name of the table that the ledger is at home in. Anywhere else the ledger is held: it claims nothing,
and accepts all the same, until a person says that it may go on; then it is at home there. A table that was restored
under the name that it had is not recognised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.dynamodb.table import Table

HOME: Final = Key("#", "home")
TRIES: Final = 40


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """`told`: whether the journal says that the ledger is held elsewhere."""

    place: str
    told: bool = False


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Stored).decode


class Home:
    """A ledger that is at home stays so: it is asked for once. One that is held is looked at each time."""

    def __init__(self, table: Table, token: Callable[[], bytes]) -> None:
        self._table = table
        self._token = token
        self._is_at_home = False

    @property
    def _here(self) -> str:
        return f"{self._table.line.region}/{self._table.name}"

    async def begin(self) -> None:
        """Called at each opening: a new ledger is at home where it is made."""
        there = await self._table.get(HOME)
        if there is None:
            there = await self._put(Stored(self._here), None) or None
        self._is_at_home = there is None or _stored(there).place == self._here

    async def why(self) -> str | None:
        """Why the ledger is held; None: it is not."""
        if self._is_at_home:
            return None
        there = await self._table.get(HOME)
        if there is None or _stored(there).place == self._here:
            self._is_at_home = there is not None
            return None
        return f"this is {self._here}, and it was made in {_stored(there).place}"

    async def is_held(self, now: int) -> bool:
        """The journal says so once."""
        if await self.why() is None:
            return False
        there = await self._table.get(HOME)
        if there is not None and not (stored := _stored(there)).told:
            entry = Entry(seq=0, at=now, kind="held", data={"reason": "restored", "home": stored.place})
            await self._put(msgspec.structs.replace(stored, told=True), there, entry)
        return True

    async def release(self, who: str, note: str, now: int) -> bool:
        """A person's word that the ledger is at home here. False: it is already."""
        for _ in range(TRIES):
            if await self.why() is None:
                return False
            entry = Entry(seq=0, at=now, kind="released", data={"who": who, "note": note})
            if await self._put(Stored(self._here), await self._table.get(HOME), entry) is None:
                return True
        raise LedgerUnavailable("Too many others change the same at the same time.", "Ask again.")

    async def _put(self, stored: Stored, there: Item | None, *told: Entry) -> Item | None:
        expected = None if there is None else image_of(there).revision
        return await self._table.put(body_item(HOME, _pack(stored), told), expected, self._token())


def _stored(item: Item) -> Stored:
    return _unpack(image_of(item).body)
