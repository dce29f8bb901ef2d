"""The form of a table: what the deployment makes, and the tests.

*Amazon DynamoDB API Reference*, "CreateTable". One table holds everything; which items it has is the ledger's matter.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.line import ATTEMPTS, Line
from kakitome.ledgers.dynamodb.meter import Meter


class Keys(NamedTuple):
    pk: str
    sk: str


TABLE: Final = Keys("pk", "sk")

INDEXES: Final = {"open": Keys("o", "w"), "address": Keys("h", "sk")}
"""Sparse: an item without the index's keys is not in it and costs it nothing. All keys are strings."""

INCLUDED: Final = ("e",)
"""What an index holds besides the keys."""

EXPIRES: Final = "x"
"""Seconds since 1970 after which DynamoDB may delete the item, mostly within days: till then it counts as absent."""

REVISION: Final = "r"
TOKEN: Final = "k"  # noqa: S105 (an attribute's name)


def keys_of(index: str | None) -> Keys:
    return TABLE if index is None else INDEXES[index]


def definition(table: str) -> dict[str, Any]:
    """The arguments of CreateTable. The expiry is a request of its own (`expiry`)."""
    names = sorted({name for keys in (TABLE, *INDEXES.values()) for name in keys})
    projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(INCLUDED)}
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
        "KeySchema": _key_schema(TABLE),
        "GlobalSecondaryIndexes": [
            {"IndexName": name, "KeySchema": _key_schema(keys), "Projection": projection}
            for name, keys in INDEXES.items()
        ],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def expiry(table: str) -> dict[str, Any]:
    """The arguments of UpdateTimeToLive."""
    return {"TableName": table, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": EXPIRES}}


async def create(line: Line, table: str, **more: Any) -> None:
    """Makes the table and waits until it can be used; `more` are further arguments of CreateTable. One that is there
    already is left as it is.

    Raises `LedgerUnavailable`.
    """
    unmetered = Meter()
    try:
        answer = await line.ask("create_table", unmetered, **definition(table), **more)
        status = answer["TableDescription"]["TableStatus"]
    except LedgerUnavailable as error:
        if error.data["code"] != "ResourceInUseException":
            raise
        status = ""
    for attempt in range(1, 20 * ATTEMPTS):
        if status == "ACTIVE":
            break
        await line.pause(attempt)
        described = await line.ask("describe_table", unmetered, TableName=table)
        status = described["Table"]["TableStatus"]
    else:
        raise LedgerUnavailable(f"The table {table} is {status} and not yet usable.", "Try again in a minute.")
    described = await line.ask("describe_time_to_live", unmetered, TableName=table)
    if described.get("TimeToLiveDescription", {}).get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        await line.ask("update_time_to_live", unmetered, **expiry(table))


async def is_there(line: Line, table: str) -> bool:
    """Raises `LedgerUnavailable` where that cannot be said."""
    try:
        await line.ask("describe_table", Meter(), TableName=table)
    except LedgerUnavailable as error:
        if error.data["code"] != "ResourceNotFoundException":
            raise
        return False
    return True


async def drop(line: Line, table: str) -> None:
    """Deletes the table with all that is in it. One that is not there is gone already. Raises `LedgerUnavailable`."""
    try:
        await line.ask("delete_table", Meter(), TableName=table)
    except LedgerUnavailable as error:
        if error.data["code"] != "ResourceNotFoundException":
            raise


def _key_schema(keys: Keys) -> list[dict[str, str]]:
    return [{"AttributeName": keys.pk, "KeyType": "HASH"}, {"AttributeName": keys.sk, "KeyType": "RANGE"}]
