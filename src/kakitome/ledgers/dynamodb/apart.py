"""Large variables of rows lie by themselves: each write of a row pays for all of its item, and nobody changes them.

What a row then has in their place is a pointer: an octet with which no JSON begins, and a hash of the variables. It
names the item, so that a batch that is repeated writes what is there, and another list's row for the same address
nothing of this one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import RunId
from kakitome.core.message import Claimed
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, bytes_of
from kakitome.ledgers.dynamodb.squeeze import loosened, squeezed
from kakitome.ports.runs import ImportRow

LARGE: Final = 400
"""Octets, squeezed, up to which variables stay with their row: a mail that was delivered has half a KB beside them."""

POINTER: Final = "\x01"


class Apart:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def laid(self, run: RunId, rows: Sequence[ImportRow]) -> list[ImportRow]:
        """The rows as they may be written: the large variables are there, and each has its pointer."""
        found: list[ImportRow] = []
        large: dict[str, bytes] = {}
        for row in rows:
            body = row.variables.encode()
            if len(body) > LARGE and len(small := squeezed(body)) > LARGE:
                pointer = POINTER + blake2b(body, digest_size=16).hexdigest()
                large[pointer] = small
                row = msgspec.structs.replace(row, variables=pointer)
            found.append(row)
        await self._desk.table.put_blindly(
            body_item(keys.variables(run, pointer[1:]), small) | {"r": 1} for pointer, small in large.items()
        )
        return found

    async def given_back(self, claims: Sequence[Claimed]) -> list[Claimed]:
        """The claims with their variables. Raises `LedgerUnavailable` where some are lost."""
        places = {
            claimed.id: keys.variables(claimed.run, claimed.variables[1:].decode())
            for claimed in claims
            if claimed.variables.startswith(POINTER.encode())
        }
        if not places:
            return list(claims)
        read = await self._desk.table.get_many(places.values())
        if lost := [id for id, key in places.items() if key not in read]:
            raise LedgerUnavailable(
                f"The variables of {len(lost)} rows are not in the ledger any more, so these cannot be rendered.",
                "Somebody deleted items of the ledger's table. Restore it from a backup.",
            )
        whole = {id: loosened(bytes_of(read[key])) for id, key in places.items()}
        return [msgspec.structs.replace(one, variables=whole.get(one.id, one.variables)) for one in claims]
