"""Submissions as they lie: what was handed in, deflated; of what is more than an item takes, the rest lies beside it.

A mail with attachments may have 40 MB; an item has 400 KB. The parts are written behind the submission and before
anything that names it: whoever finds a message finds all of its content.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId, SubmissionId
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, bytes_of
from kakitome.ledgers.dynamodb.marshal import Item, Key

PART: Final = 300_000
"""Octets of deflated content in one item, at most."""


class StoredSubmission(msgspec.Struct, frozen=True, array_like=True):
    """`content` is the beginning of what is deflated, `parts` in how many further items the rest is."""

    id: SubmissionId
    content: bytes
    reference: str | None
    messages: tuple[MessageId, ...]
    parts: int = 0


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(StoredSubmission).decode


def unpack_submission(item: Item) -> StoredSubmission:
    return _unpack(bytes_of(item))


class Contents:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def put(self, content: bytes, reference: str | None, messages: int, now: int) -> StoredSubmission:
        """A submission and its messages' ids, which nobody else has. Durable with all its parts when this answers."""
        desk, deflated = self._desk, zlib.compress(content)
        first, *rest = [deflated[at : at + PART] for at in range(0, len(deflated), PART)]
        while True:
            number = desk.next_ids(1 + messages, now)
            ids = tuple(MessageId(number + 1 + k) for k in range(messages))
            stored = StoredSubmission(SubmissionId(number), first, reference, ids, len(rest))
            item = body_item(keys.submission(stored.id), _pack(stored))
            if await desk.table.put(item, None, desk.token()) is None:
                break
        parts = [(body_item(key, part), None) for key, part in zip(_parts(stored), rest, strict=True)]
        await desk.table.put_many(parts, desk.token())
        return stored

    async def of(self, submissions: Sequence[SubmissionId]) -> dict[SubmissionId, bytes]:
        """Raises `LedgerUnavailable` where a part is lost."""
        read = await self._desk.table.get_many([keys.submission(id) for id in submissions])
        stored = [unpack_submission(item) for item in read.values()]
        parts = await self._desk.table.get_many([key for one in stored for key in _parts(one)])
        if lost := [one.id for one in stored if any(key not in parts for key in _parts(one))]:
            raise LedgerUnavailable(
                f"Parts of {len(lost)} mails are not in the ledger any more, so these cannot be sent.",
                "Somebody deleted items of the ledger's table. Restore it from a backup.",
            )
        return {
            one.id: zlib.decompress(b"".join([one.content, *(bytes_of(parts[key]) for key in _parts(one))]))
            for one in stored
        }


def _parts(stored: StoredSubmission) -> list[Key]:
    return [keys.part(stored.id, n) for n in range(1, stored.parts + 1)]
