"""What only a ledger of one kind can do."""

from __future__ import annotations

from kakitome.config.tables import LedgerTable
from kakitome.core.errors import ConfigurationError


def check_ledger(ledger: LedgerTable) -> None:
    if ledger.campaign_tables == "own" and not ledger.url.startswith("dynamodb:"):
        raise ConfigurationError(
            'ledger.campaign_tables = "own" needs a ledger on DynamoDB: a file has no tables that can be dropped.',
            "Leave it out, or point ledger.url to dynamodb://TABLE?region=REGION.",
            key="ledger.campaign_tables",
        )
    if ledger.campaign_tables == "own" and ledger.feed == "elsewhere":
        raise ConfigurationError(
            'With ledger.campaign_tables = "own", ledger.feed = "elsewhere" would leave campaigns uncounted: '
            "the function reads the stream of the ledger's own table, and of no other.",
            'Write feed = "reader", or campaign_tables = "shared".',
            key="ledger.feed",
        )
