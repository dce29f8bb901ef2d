"""A ledger that does not keep whose a provider's id is."""

from __future__ import annotations

import asyncio

import pytest

from dynamo_rig import fresh
from kakitome.core.errors import SearchNeedsKey
from kakitome.core.event import EventKind
from kakitome.core.lifecycle import Cause
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.status import status
from kakitome.testing.ledger_world import World, hashed


def test_without_provider_ids_events_are_matched_by_their_tags_alone() -> None:
    """One with our tags is its mail's, one with the provider's id alone is nobody's, and still says whom not to write
    to; the attempt shows the id, and asking by it is answered in words."""

    async def play() -> None:
        ledger = await DynamoLedger.open(fresh(), provider_ids=False)
        w = World(ledger)
        claimed = await w.one()
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p-1")
        named = await w.fold(w.event(EventKind.DELIVERED, claimed, provider_message_id="p-1"))
        assert (named.fresh, named.unmatched) == (1, 0)
        alone = w.event(EventKind.UNSUBSCRIBED, provider_message_id="p-1", recipient="aoi@example.jp")
        assert (await w.fold(alone)).unmatched == 1
        assert (await w.fold(alone)).known == 1
        assert [event.kind for event in await ledger.events.of(claimed.id)] == [EventKind.DELIVERED]
        [attempt] = await ledger.reads.attempts([claimed.id])
        assert attempt.provider_id == "p-1"
        assert [item["sk"] for item in await ledger._table.query(keys.provider_id("p-1"))] == [f"e{alone.event.key}"]
        with pytest.raises(SearchNeedsKey, match=r"no mail by a provider's id.*provider_ids is false"):
            await status("p-1", ledger)
        assert await ledger.suppressions.find([hashed("aoi@example.jp")]) != []
        assert await ledger.reads.verify() == []
        await ledger.close()

    asyncio.run(play())
