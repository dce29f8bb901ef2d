"""Single mails come in: the submission, its idempotency key, its messages, in this order.

The key is what decides between two that hand in the same; what a crash leaves behind it is completed by whoever hands
it in again. A mail to several is one transaction: all of its messages, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from kakitome.core.errors import IdempotencyConflict, KakitomeError, NotFound
from kakitome.core.ids import MessageId, SubmissionId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Admitted, Submission
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import Shelved
from kakitome.ledgers.dynamodb.contents import Contents
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, image_of, message_item
from kakitome.ledgers.dynamodb.marshal import Item
from kakitome.ledgers.dynamodb.table import Conflict, Put
from kakitome.ledgers.memory.book import Message


class StoredKey(msgspec.Struct, frozen=True, array_like=True):
    body_hash: str
    until: int
    submission: SubmissionId
    messages: tuple[MessageId, ...]


_pack = msgspec.msgpack.Encoder().encode
_unpack_key = msgspec.msgpack.Decoder(StoredKey).decode


class Admission:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._contents = Contents(desk)

    async def admit(self, submissions: Sequence[Submission], now: int) -> list[Admitted | KakitomeError]:
        """See `ports.messages.Messages.admit`."""
        known = await self._desk.cases.of({new.run for new in submissions})
        answers: list[Admitted | KakitomeError] = []
        for new in submissions:
            if (earlier := await self._known(new, now)) is not None:
                answers.append(earlier)
            elif new.run not in known:
                answers.append(NotFound(f"There is no run {new.run}."))
            else:
                await self._desk.cases.paced(known[new.run], {to.pace for to in new.messages})
                answers.append(await self._take(new, now))
        return answers

    async def _known(self, new: Submission, now: int) -> Admitted | KakitomeError | None:
        item = None if new.key is None else await self._desk.table.get(keys.idempotency(new.key))
        return None if item is None else await self._again(new, item, now)

    async def _again(self, new: Submission, item: Item, now: int) -> Admitted | KakitomeError | None:
        """What a key that is there says; None where its time is over."""
        stored = _unpack_key(image_of(item).body)
        if stored.until <= now:
            return None
        if stored.body_hash != new.body_hash:
            return IdempotencyConflict("This idempotency key was used before for another mail.")
        # Whoever came first may have been cut off before its messages were there. What the same words mean may have
        # changed since (who an address is sent on to): the ids are those of the first time all the same.
        if len(stored.messages) == len(new.messages):
            await self._write_messages(new, stored.submission, stored.messages, now)
        return Admitted(stored.submission, stored.messages, fresh=False)

    async def _take(self, new: Submission, now: int) -> Admitted | KakitomeError:
        stored = await self._contents.put(new.content, new.reference, len(new.messages), now)
        submission, ids = stored.id, stored.messages
        if new.key is not None and (answer := await self._write_key(new, submission, ids, now)) is not None:
            return answer
        await self._write_messages(new, submission, ids, now)
        return Admitted(submission, ids)

    async def _write_key(
        self, new: Submission, submission: SubmissionId, ids: tuple[MessageId, ...], now: int
    ) -> Admitted | KakitomeError | None:
        """None where the key is ours now; else what whoever was faster got."""
        assert new.key is not None
        desk, key = self._desk, keys.idempotency(new.key)
        stored = StoredKey(new.body_hash, new.key_until, submission, ids)
        there = await desk.table.get(key)
        while True:
            if there and (answer := await self._again(new, there, now)) is not None:
                return answer
            item = body_item(key, _pack(stored)) | {"x": max(new.key_until, now) // 1000 + 1}
            there = await desk.table.put(item, image_of(there).revision if there else None, desk.token())
            if there is None:
                return None

    async def _write_messages(
        self, new: Submission, submission: SubmissionId, ids: tuple[MessageId, ...], now: int
    ) -> None:
        """Those that are there already stay as they are."""
        desk, due = self._desk, max(new.due, now)
        items = []
        for id, to in zip(ids, new.messages, strict=True):
            message = Message(id, new.run, to.address, to.hash, due, new.expires, submission, pace=to.pace)
            book = desk.book()
            book.enter(now, Cause.ACCEPTED, run=new.run, submission=submission, ids=[id])
            items.append(message_item(Shelved(message), book.journal))
        if len(items) > 1:
            with suppress(Conflict):  # some are there: then each by itself
                return await desk.table.transact([Put(item, None) for item in items], desk.token())
        await desk.table.put_many([(item, None) for item in items], desk.token())
