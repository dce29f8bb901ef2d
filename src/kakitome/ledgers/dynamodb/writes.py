"""Conditional writes as DynamoDB wants them, and what it says when a condition does not hold.

*Amazon DynamoDB API Reference*, "TransactWriteItem" and "CancellationReason".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kakitome.ledgers.dynamodb.marshal import Item, Key, Value, key_written, read, written
from kakitome.ledgers.dynamodb.schema import REVISION, TOKEN

NEW = "attribute_not_exists(pk)"
UNCHANGED = "#r = :r"


class Put(NamedTuple):
    """`expected`: the revision that is replaced; `None`: there must be no such item."""

    item: Mapping[str, Value]
    expected: int | None
    table: str | None = None
    """Another table of the same account and region."""


class Delete(NamedTuple):
    """`expected`: the revision that is deleted; `None`: whatever is there."""

    key: Key
    expected: int | None
    table: str | None = None


class Check(NamedTuple):
    """Nothing is written, but the item must have the revision `expected`; `None`: there must be no such item."""

    key: Key
    expected: int | None
    table: str | None = None


Write = Put | Delete | Check


class Conflict(Exception):
    """A transaction wrote nothing, because of these: by its index each write whose condition did not hold, with the
    item as it is (`{}`: there is none)."""

    def __init__(self, found: Mapping[int, Item]) -> None:
        super().__init__(f"the conditions of {sorted(found)} do not hold")
        self.found = dict(found)


def condition(expected: int | None) -> dict[str, Any]:
    """The request's condition; a refusal brings the item along."""
    told = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if expected is None:
        return {"ConditionExpression": NEW, **told}
    return {
        "ConditionExpression": UNCHANGED,
        "ExpressionAttributeNames": {"#r": REVISION},
        "ExpressionAttributeValues": {":r": {"N": str(expected)}},
        **told,
    }


def next_of(item: Mapping[str, Value], expected: int | None, token: bytes) -> dict[str, Any]:
    """The item as it is written: its revision and its writer are ours to say. A new one may say where it begins."""
    revision = item.get(REVISION, 1) if expected is None else expected + 1
    return written({**item, REVISION: revision, TOKEN: token})


def transacted(write: Write, table: str, token: bytes) -> dict[str, Any]:
    name = {"TableName": write.table or table}
    match write:
        case Put(item, expected):
            return {"Put": {**name, "Item": next_of(item, expected, token), **condition(expected)}}
        case Delete(key, None):
            return {"Delete": {**name, "Key": key_written(key)}}
        case Delete(key, expected):
            return {"Delete": {**name, "Key": key_written(key), **condition(expected)}}
        case Check(key, expected):
            return {"ConditionCheck": {**name, "Key": key_written(key), **condition(expected)}}


def cancelled(reasons: Sequence[Mapping[str, Any]]) -> dict[int, Item]:
    """The writes whose condition did not hold, out of the reasons, which stand in the order of the writes."""
    return {
        n: read(reason.get("Item") or {})
        for n, reason in enumerate(reasons)
        if reason.get("Code") == "ConditionalCheckFailed"
    }
