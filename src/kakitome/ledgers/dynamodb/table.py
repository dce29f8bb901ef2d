"""One table of DynamoDB, as the ledger wants it: strong reads, conditional writes, answers in our own words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple, Self

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.line import ATTEMPTS, Line, Refusal, unavailable
from kakitome.ledgers.dynamodb.marshal import Item, Key, Value, key_of, key_written, read, written
from kakitome.ledgers.dynamodb.meter import Meter
from kakitome.ledgers.dynamodb.place import Place
from kakitome.ledgers.dynamodb.schema import TOKEN, keys_of
from kakitome.ledgers.dynamodb.together import each_together
from kakitome.ledgers.dynamodb.writes import (
    Check,
    Conflict,
    Delete,
    Put,
    Write,
    cancelled,
    condition,
    next_of,
    transacted,
)
from kakitome.ports.clock import Clock

__all__ = ["Check", "Conflict", "Delete", "Item", "Key", "Meter", "Put", "Table", "Value", "Write"]

BATCH_GET: Final = 100
BATCH_WRITE: Final = 25
TRANSACTION: Final = 100
"""DynamoDB's limits, in items."""


class Unknown(NamedTuple):
    """A write that may have been done or not."""

    error: LedgerUnavailable


class Table:
    """One table.

    Every method may raise `LedgerUnavailable`: then nothing happened, or it is not known; asking again is safe because
    every write is conditional. `r` and `k` of an item are this class's: each write sets the revision `r` (of a new item
    1, or what it says) and the token `k` of its writer. A token belongs to one call (for all of its items) and to its
    repetitions, and to no other.
    """

    def __init__(self, name: str, line: Line, meter: Meter | None = None) -> None:
        self.name = name
        self.line = line
        self.meter = meter if meter is not None else Meter()

    @classmethod
    def at(cls, place: Place, clock: Clock, random: Random, meter: Meter | None = None) -> Self:
        """The table at an address, with connections of its own. Nothing is opened before the first question."""
        return cls(place.table, Line(place.region, place.endpoint, clock, random), meter)

    def beside(self, name: str) -> Table:
        """Another table over the same connections and meter; closing one closes both."""
        return type(self)(name, self.line, self.meter)

    async def close(self) -> None:
        await self.line.close()

    async def get(self, key: Key, strong: bool = True) -> Item | None:
        answer = await self._ask("get_item", Key=key_written(key), ConsistentRead=strong)
        found = answer.get("Item")
        return read(found) if found else None

    async def get_many(self, keys: Iterable[Key], strong: bool = True) -> dict[Key, Item]:
        """Those that exist, in no order. Not one moment: each item is as strong as `get` makes it, by itself."""
        asked = list(dict.fromkeys(keys))
        batches = [asked[at : at + BATCH_GET] for at in range(0, len(asked), BATCH_GET)]
        parts = await each_together(batches, lambda batch: self._get_batch(batch, strong))
        return {key: item for part in parts for key, item in part.items()}

    async def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        after: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        strong: bool = True,
        forward: bool = True,
    ) -> list[Item]:
        """The items of one partition by sort key, all of them or the first `limit`.

        Bounds of the sort key: `after` (not itself), `since` and `until` (themselves, too), whichever way it goes. On
        an index: by its own keys, never strong, and an item has only what the index holds (`schema`); several items
        may have one sort key there, so do not page by `after`.
        """
        if after is not None:
            since = max(since or "", after + "\0")  # the next string there is
        if limit == 0 or (since and until is not None and since > until):
            return []
        asked = _asked(pk, index, since or None, until)
        asked |= {"ScanIndexForward": forward, "ConsistentRead": strong and index is None}
        found: list[Item] = []
        while True:
            page = {} if limit is None else {"Limit": limit - len(found)}
            answer = await self._ask("query", **asked, **page)
            found += map(read, answer["Items"])
            if "LastEvaluatedKey" not in answer or (limit is not None and len(found) >= limit):
                return found
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def put(self, item: Mapping[str, Value], expected: int | None, token: bytes) -> Item | None:
        """Writes the item if there is none (`expected` is `None`), or if its revision is `expected`.

        Answers `None` when it is written; otherwise the item as it is now, `{}` where there is none. A write of our
        own whose reply was lost is recognised by its token, as long as nobody has written over it: the caller who is
        given another's item has to look whether that one follows from its own.
        """
        try:
            await self._ask("put_item", Item=next_of(item, expected, token), **condition(expected))
        except Refusal as refusal:
            found = read(refusal.answer.get("Item") or {})
            return None if found.get(TOKEN) == token else found
        return None

    async def put_many(
        self, writes: Sequence[tuple[Mapping[str, Value], int | None]], token: bytes
    ) -> list[Item | None]:
        """Each by itself, some at once; answers as `put` does, in order. Raises when all have been tried."""
        return all_of(await self.put_each(writes, token))

    async def put_each(
        self, writes: Sequence[tuple[Mapping[str, Value], int | None]], token: bytes
    ) -> list[Item | Unknown | None]:
        """The same; what may have been written or not is said among the answers."""

        async def one(write: tuple[Mapping[str, Value], int | None]) -> Item | Unknown | None:
            try:
                return await self.put(*write, token)
            except LedgerUnavailable as error:
                return Unknown(error)

        return await each_together(writes, one)

    async def put_blindly(self, items: Iterable[Mapping[str, Value]]) -> None:
        """Writes items, over what is there: for records that nobody ever changes. Of two with one key the last one."""
        asked = list({key_of(item): item for item in items}.values())
        batches = [asked[at : at + BATCH_WRITE] for at in range(0, len(asked), BATCH_WRITE)]
        await each_together(batches, self._put_batch)

    async def delete(self, key: Key, expected: int | None, token: bytes) -> bool:
        """Deletes the item if its revision is `expected`; `None`: whatever is there.

        True: there is none now, by this or before. False: there is one of another revision. What is gone names no
        writer, so `token` is written nowhere.
        """
        asked = condition(expected) if expected is not None else {}
        try:
            await self._ask("delete_item", Key=key_written(key), **asked)
        except Refusal as refusal:
            return not refusal.answer.get("Item")
        return True

    async def delete_many(self, asked: Sequence[tuple[Key, int]], token: bytes) -> None:
        """Each by itself, some at once, as `delete` does. Raises when all have been tried."""

        async def one(it: tuple[Key, int]) -> bool:
            return await self.delete(*it, token)

        await each_together(asked, one)

    async def transact(self, writes: Sequence[Write], token: bytes) -> None:
        """All of up to 100 writes, or none. Their items are different ones.

        Raises `Conflict` when a condition does not hold; contention with others is waited out like throttling. A
        transaction of our own whose reply was lost is recognised by AWS for ten minutes, and by our token in one of
        the items that it finds changed.
        """
        assert 0 < len(writes) <= TRANSACTION
        asked = [transacted(write, self.name, token) for write in writes]
        told = {"ReturnConsumedCapacity": "INDEXES", "ClientRequestToken": _request_token(token, asked)}
        try:
            await self.line.ask("transact_write_items", self.meter, TransactItems=asked, **told)
        except Refusal as refusal:
            found = cancelled(refusal.answer.get("CancellationReasons", ()))
            if any(item.get(TOKEN) == token for item in found.values()):
                return
            if not found:  # refused for a size or a form, which is no conflict
                assert refusal.__cause__ is not None
                raise unavailable("transact_write_items", refusal.__cause__, 1) from refusal
            raise Conflict(found) from refusal

    async def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        told = {"TableName": self.name, "ReturnConsumedCapacity": "INDEXES"}
        return await self.line.ask(operation, self.meter, **told, **parameters)

    async def _get_batch(self, keys: Sequence[Key], strong: bool) -> dict[Key, Item]:
        wanted: Any = {"Keys": [key_written(key) for key in keys], "ConsistentRead": strong}
        found: list[Item] = []
        for attempt in range(1, ATTEMPTS + 1):
            answer = await self._ask_batch("batch_get_item", wanted)
            found += map(read, answer["Responses"].get(self.name, ()))
            wanted = answer.get("UnprocessedKeys", {}).get(self.name)
            if not wanted:
                return {key_of(item): item for item in found}
            await self.line.pause(attempt)
        raise _throttled("read", self.name, len(wanted["Keys"]))

    async def _put_batch(self, items: Sequence[Mapping[str, Value]]) -> None:
        left: Any = [{"PutRequest": {"Item": written(item)}} for item in items]
        for attempt in range(1, ATTEMPTS + 1):
            answer = await self._ask_batch("batch_write_item", left)
            left = answer.get("UnprocessedItems", {}).get(self.name)
            if not left:
                return
            await self.line.pause(attempt)
        raise _throttled("written", self.name, len(left))

    async def _ask_batch(self, operation: str, wanted: Any) -> dict[str, Any]:
        asked = {"RequestItems": {self.name: wanted}, "ReturnConsumedCapacity": "INDEXES"}
        return await self.line.ask(operation, self.meter, **asked)


def _asked(pk: str, index: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    """A query's condition. Two comparisons of the sort key are not allowed, so two bounds are one BETWEEN."""
    keys = keys_of(index)
    expression, names, values = "#p = :p", {"#p": keys.pk}, {":p": {"S": pk}}
    if since is not None or until is not None:
        names["#s"] = keys.sk
        values |= {name: {"S": bound} for name, bound in ((":a", since), (":z", until)) if bound is not None}
        between = "BETWEEN :a AND :z" if len(values) == 3 else ">= :a" if since is not None else "<= :z"
        expression += f" AND #s {between}"
    asked = {
        "KeyConditionExpression": expression,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }
    return asked if index is None else {**asked, "IndexName": index}


def all_of(answers: Sequence[Item | Unknown | None]) -> list[Item | None]:
    """Raises the first error among them."""
    for answer in answers:
        if isinstance(answer, Unknown):
            raise answer.error
    return [answer for answer in answers if not isinstance(answer, Unknown)]


def _request_token(token: bytes, asked: object) -> str:
    """AWS takes up to 36 characters, and one token for one request: a call may make several transactions."""
    return hashlib.sha256(token + repr(asked).encode()).hexdigest()[:36]


def _throttled(done: str, table: str, left: int) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"DynamoDB has {left} items of a batch not {done} in {ATTEMPTS} attempts: {table} is throttled.",
        "It is tried again by itself. If it stays so, look at the table's throttled requests in CloudWatch.",
        code="Throttled",
    )
