"""The ledger on DynamoDB keeps the contract, on an emulator (or on Amazon's own engine, see `dynamo_rig`)."""

from __future__ import annotations

from dynamo_rig import fresh
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ports.ledger import Ledger
from kakitome.testing.ledger import LedgerContract


class TestDynamo(LedgerContract):
    async def make(self) -> Ledger:
        return await DynamoLedger.open(fresh())
