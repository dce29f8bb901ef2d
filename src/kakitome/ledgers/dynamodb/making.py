"""A campaign's table is made as the ledger's own is: under the same key, and recoverable if that one is.

*Amazon DynamoDB API Reference*, "DescribeTable" (SSEDescription), "DescribeContinuousBackups",
"UpdateContinuousBackups". It is not protected from deletion: it is made to be thrown away.
"""

from __future__ import annotations

from typing import Any, Final

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb import schema
from kakitome.ledgers.dynamodb.line import ATTEMPTS, Line
from kakitome.ledgers.dynamodb.meter import Meter

_NOT_THERE: Final = "UnknownOperationException"
"""What an engine on one's own machine says: it recovers nothing."""

_NOT_YET: Final = "ContinuousBackupsUnavailableException"
"""The table is too young."""


async def make(line: Line, table: str, like: str) -> None:
    """Raises `LedgerUnavailable`. Whoever is cut off asks again: a table that is there is gone on with."""
    described = await line.ask("describe_table", Meter(), TableName=like)
    recoverable = await _is_recoverable(line, like)
    await schema.create(line, table, **_sealed(described["Table"].get("SSEDescription", {})))
    if recoverable:
        await _recoverable(line, table)


def _sealed(told: dict[str, Any]) -> dict[str, Any]:
    """Nothing where AWS's own key seals the table, which is free and needs no word."""
    if told.get("Status") not in ("ENABLED", "UPDATING") or told.get("SSEType") != "KMS":
        return {}
    return {"SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": told["KMSMasterKeyArn"]}}


async def _is_recoverable(line: Line, table: str) -> bool:
    try:
        answer = await line.ask("describe_continuous_backups", Meter(), TableName=table)
    except LedgerUnavailable as error:
        if error.data["code"] != _NOT_THERE:
            raise
        return False
    told = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return bool(told.get("PointInTimeRecoveryStatus") == "ENABLED")


async def _recoverable(line: Line, table: str) -> None:
    asked = {"PointInTimeRecoveryEnabled": True}
    for attempt in range(1, 20 * ATTEMPTS + 1):
        try:
            await line.ask(
                "update_continuous_backups", Meter(), TableName=table, PointInTimeRecoverySpecification=asked
            )
        except LedgerUnavailable as error:
            if error.data["code"] != _NOT_YET or attempt == 20 * ATTEMPTS:
                raise
            await line.pause(attempt)
        else:
            return
