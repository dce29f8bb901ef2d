"""The table's stream: every change of every item, once, in order by shard; kept for a day.

Read directly (*Amazon DynamoDB Streams API Reference*, "DescribeStream", "GetShardIterator", "GetRecords"), or as AWS
Lambda hands it over (*AWS Lambda Developer Guide*, "Using AWS Lambda with Amazon DynamoDB", "Tumbling windows").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.line import Line
from kakitome.ledgers.dynamodb.marshal import Item, read
from kakitome.ledgers.dynamodb.meter import Meter
from kakitome.ledgers.dynamodb.table import Table

AT_ONCE: Final = 1_000
"""Records that are read at once; 1 MB of them at most, by AWS's word."""


class Record(NamedTuple):
    """One change of one item. `sequence` rises within a shard; `at` is in seconds since 1970."""

    shard: str
    sequence: str
    at: int
    old: Item | None
    new: Item | None


class Shard(NamedTuple):
    id: str
    parent: str | None


class Trimmed(Exception):
    """What followed this position is not in the stream any more."""


class Stream:
    """Remembers where it is in each shard for as long as AWS does; raises `LedgerUnavailable` like the table."""

    def __init__(self, table: Table, line: Line | None = None) -> None:
        self._table = table
        self._line = line
        self._meter = Meter()
        self._arn = ""

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()

    def beside(self, table: Table) -> Stream:
        """Another table's, over the same connections; closing one closes both."""
        return Stream(table, self._connected())

    async def shards(self) -> list[Shard]:
        """Parents before their children."""
        found: list[Shard] = []
        asked: dict[str, Any] = {"StreamArn": await self._name()}
        while True:
            told = (await self._ask("describe_stream", **asked))["StreamDescription"]
            found += [Shard(shard["ShardId"], shard.get("ParentShardId")) for shard in told["Shards"]]
            if not (last := told.get("LastEvaluatedShardId")):
                return in_order(found)
            asked["ExclusiveStartShardId"] = last

    async def begin(self, shard: str, after: str | None) -> str:
        """An iterator that goes on behind a record, or begins with the oldest there is. Raises `Trimmed`."""
        asked: dict[str, Any] = {"StreamArn": await self._name(), "ShardId": shard}
        if after is None:
            asked["ShardIteratorType"] = "TRIM_HORIZON"
        else:
            asked |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        iterator: str = (await self._ask("get_shard_iterator", **asked))["ShardIterator"]
        return iterator

    async def read(self, shard: str, iterator: str) -> tuple[list[Record], str | None]:
        """Some records, and where it goes on; None where the shard ends. Raises `Trimmed`, also for an iterator that is
        older than a quarter of an hour."""
        answer = await self._ask("get_records", ShardIterator=iterator, Limit=AT_ONCE)
        return [_record(shard, told) for told in answer["Records"]], answer.get("NextShardIterator")

    async def _name(self) -> str:
        if not self._arn:
            described = await self._table.line.ask("describe_table", self._meter, TableName=self._table.name)
            self._arn = described["Table"].get("LatestStreamArn", "")
        if not self._arn:
            raise LedgerUnavailable(
                f"The table {self._table.name} has no stream, so nothing can be counted. No mail is concerned.",
                "Turn its stream on, with new and old images.",
            )
        return self._arn

    async def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return await self._connected().ask(operation, self._meter, **parameters)
        except LedgerUnavailable as error:
            if error.data.get("code") in ("ExpiredIteratorException", "TrimmedDataAccessException"):
                raise Trimmed from error
            raise

    def _connected(self) -> Line:
        self._line = self._line or self._table.line.of_streams()
        return self._line


def in_order(shards: Iterable[Shard]) -> list[Shard]:
    """Parents before their children. A parent that is not among them is gone."""
    left = {shard.id: shard for shard in shards}
    found: list[Shard] = []
    while left:
        first = [shard for shard in left.values() if shard.parent not in left]
        found += first
        for shard in first or list(left.values()):
            del left[shard.id]
    return found


def records_of(event: Mapping[str, Any]) -> list[Record] | None:
    """What Lambda hands over. It names the shard only where the event source has a tumbling window; without its shard
    nobody knows whether a record was counted (None): then ring, and let `Feed.catch_up` read the stream."""
    shard = event.get("shardId")
    if not isinstance(shard, str):
        return None
    return [_record(shard, told) for told in event.get("Records", ())]


def _record(shard: str, told: Mapping[str, Any]) -> Record:
    change = told["dynamodb"]
    images = [change.get(name) for name in ("OldImage", "NewImage")]
    old, new = (None if image is None else read(image) for image in images)
    return Record(shard, str(change["SequenceNumber"]), _seconds(change.get("ApproximateCreationDateTime")), old, new)


def _seconds(at: object) -> int:
    return int(at) if isinstance(at, int | float) else 0
