"""The ledger on DynamoDB keeps the contract, on an emulator (or on Amazon's own engine, see `dynamo_rig`)."""

from __future__ import annotations

from dynamo_rig import fresh
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ports.ledger import Ledger
from kakitome.testing.ledger import LedgerContract
from kakitome.testing.ledger_campaigns import Campaigns
from kakitome.testing.ledger_claims import Claims
from kakitome.testing.ledger_events import Events
from kakitome.testing.ledger_rows import Rows
from kakitome.testing.ledger_world import World, clause


class TestDynamo(LedgerContract):
    async def make(self) -> Ledger:
        return await DynamoLedger.open(fresh())


class TestOwnTables(Campaigns, Claims, Rows, Events):
    """Where each campaign has a table of its own, what concerns campaigns and their rows is the same."""

    # Of 42 campaigns without a row: a table each, and nothing to see in it.
    test_the_moves_of_a_campaign = None  # type: ignore[assignment]

    async def make(self) -> Ledger:
        return await DynamoLedger.open(fresh(), campaign_tables="own")

    @clause
    async def test_what_a_campaign_did_is_in_the_journal(self, w: World) -> None:
        """Everything, but each table's entries are in an order of their own."""
        run = await w.campaign("a@example.jp", "b@example.jp")
        await w.move(run, "paused")
        kinds = [entry.kind for entry in await w.journal() if entry.run == run]
        assert kinds.count("accepted") == 1
        assert [kind for kind in kinds if kind != "accepted"] == [
            *("campaign_opened", "import_begun", "import_sealed", "campaign_running", "campaign_paused")
        ]
