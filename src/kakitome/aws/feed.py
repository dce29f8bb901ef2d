"""The stream of the ledger's table, folded into counters and journal."""

from __future__ import annotations

from typing import Any

from kakitome.aws.composition import Here, run
from kakitome.core.errors import ConfigurationError


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """An error brings the batch again; what of it was folded is known then."""
    run(lambda here: _fold(here, event))
    return {"batchItemFailures": []}


async def _fold(here: Here, event: dict[str, Any]) -> None:
    from kakitome.ledgers.dynamodb.ledger import DynamoLedger
    from kakitome.ledgers.dynamodb.stream import records_of

    ledger = here.instance.ledger
    if not isinstance(ledger, DynamoLedger):
        raise ConfigurationError("Only a ledger in DynamoDB has a stream.", key="ledger.url")
    records = records_of(event)
    await (ledger.feed.catch_up() if records is None else ledger.feed.take(records))
