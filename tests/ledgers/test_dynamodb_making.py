"""A campaign's table is made as the ledger's own is."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from dynamo_rig import LOCAL_IS_ON, asked, fresh
from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.line import Line
from kakitome.ledgers.dynamodb.making import make
from kakitome.ledgers.dynamodb.meter import Meter
from kakitome.testing.ledger_world import World

KEY = "arn:aws:kms:ap-northeast-1:000000000000:key/own"


class Scripted(Line):
    """Refuses an operation as often as it is told, with the code that it is told."""

    def __init__(self, **refusals: list[str]) -> None:
        self.refusals = refusals
        self.asked: list[str] = []

    async def ask(self, operation: str, meter: Meter, **parameters: Any) -> dict[str, Any]:
        self.asked.append(operation)
        if self.refusals.get(operation):
            raise LedgerUnavailable("no", "", code=self.refusals[operation].pop(0))
        recovery = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}
        return {
            "Table": {"TableStatus": "ACTIVE"},
            "TableDescription": {"TableStatus": "ACTIVE"},
            "ContinuousBackupsDescription": recovery,
        }

    async def pause(self, attempt: int) -> None:
        self.asked.append("pause")


@pytest.mark.skipif(LOCAL_IS_ON, reason="DynamoDB Local neither seals nor recovers")
@pytest.mark.parametrize("is_on", [False, True])
def test_it_is_sealed_and_recoverable_as_the_ledgers_own_is(is_on: bool) -> None:
    """Under the same key, with recovery to any second; and neither where the ledger's table has none."""

    async def play() -> None:
        table = fresh()
        if is_on:
            sealed = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
            asked("UpdateTable", TableName=table.name, SSESpecification=sealed)
            on = {"PointInTimeRecoveryEnabled": True}
            asked("UpdateContinuousBackups", TableName=table.name, PointInTimeRecoverySpecification=on)
        ledger = await DynamoLedger.open(table, campaign_tables="own")
        await World(ledger).open()
        [own] = [name for name in asked("ListTables")["TableNames"] if name.startswith(f"{table.name}-")]
        described = asked("DescribeTable", TableName=own)["Table"]
        assert described.get("SSEDescription", {}).get("KMSMasterKeyArn") == (KEY if is_on else None)
        told = asked("DescribeContinuousBackups", TableName=own)["ContinuousBackupsDescription"]
        status = told["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        assert status == ("ENABLED" if is_on else "DISABLED")
        await ledger.close()

    asyncio.run(play())


def test_a_table_that_is_too_young_is_asked_again() -> None:
    """Recovery cannot be switched on in a table's first seconds."""
    line = Scripted(update_continuous_backups=["ContinuousBackupsUnavailableException"] * 2)
    asyncio.run(make(line, "own", "main"))
    assert line.asked[-5:] == ["update_continuous_backups", "pause"] * 2 + ["update_continuous_backups"]


def test_an_engine_that_recovers_nothing_is_none_the_worse() -> None:
    """DynamoDB Local does not know the question."""
    line = Scripted(describe_continuous_backups=["UnknownOperationException"])
    asyncio.run(make(line, "own", "main"))
    assert "create_table" in line.asked and "update_continuous_backups" not in line.asked


@pytest.mark.parametrize("operation", ["describe_continuous_backups", "update_continuous_backups"])
def test_any_other_refusal_is_told(operation: str) -> None:
    """A campaign does not begin in a table that is less than the ledger's own."""
    line = Scripted(**{operation: ["AccessDeniedException"]})
    with pytest.raises(LedgerUnavailable) as refusal:
        asyncio.run(make(line, "own", "main"))
    assert cast(str, refusal.value.data["code"]) == "AccessDeniedException"
