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
