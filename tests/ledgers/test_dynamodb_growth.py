"""What a mail keeps of attempts that cost it nothing: a lane may be shut for weeks, and an item has an end."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from dynamo_parts import Parts, all_items, play
from dynamo_rig import REGION, SECRETS, emulated, fresh
from dynamo_scale import Scale
from kakitome.core.lifecycle import Cause, State
from kakitome.hosts.clock import SystemClock
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.items import FOR_NOTHING
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.workers import SILENT_S
from kakitome.testing.ledger_world import World


@pytest.mark.parametrize("cause", [Cause.RELEASED, Cause.UNAVAILABLE])
def test_a_mail_that_nobody_takes_for_weeks_stays_small(cause: Cause) -> None:
    """It was given back, or its lane refused it, again and again: the newest of these attempts are kept, and whatever
    else became of it."""

    async def story(w: World, parts: Parts) -> None:
        first = claimed = await w.one()
        await w.settle(first, Cause.DEFERRED, due=w.now)
        for _ in range(2 * FOR_NOTHING):
            claimed = await w.again(claimed)
            await w.settle(claimed, cause, due=w.now)
        attempts = await w.attempts(claimed.id)
        assert await w.state(claimed.id) is State.QUEUED
        assert [one.cause for one in attempts] == [Cause.DEFERRED] + [cause] * (len(attempts) - 1)
        assert attempts[-1].fence == claimed.fence
        assert FOR_NOTHING <= len(attempts) - 1 <= FOR_NOTHING + 1

    play(story)


def test_campaigns_that_are_done_cost_nothing_more() -> None:
    """Whoever is at work looks all the time: for what is due, over, doubtful, or to be closed. Of years of campaigns it
    reads none."""

    async def read(w: World, scale: Scale) -> float:
        before = scale.read
        assert len(await w.ledger.runnable.runnable(w.now)) == 1
        assert await w.ledger.runnable.next_due(w.now) is not None
        assert await w.ledger.sweeps.expire(9, w.now) == await w.ledger.sweeps.lease_over(9, w.now) == 0
        assert await w.ledger.sweeps.doubts(9, w.now) == []
        assert [run.name for run in await w.ledger.runs.list(live=True)] == ["letter"]
        return scale.read - before

    async def told() -> None:
        table, scale = fresh(), Scale(REGION, emulated(), SystemClock(), Random(1), keys=SECRETS)
        await table.line.close()
        table.line = scale
        ledger = await DynamoLedger.open(table)
        w = World(ledger)
        await w.campaign("a@example.jp")
        await read(w, scale)  # it knows the page then
        before = await read(w, scale)
        for n in range(20):
            run = await w.campaign("b@example.jp", name=f"letter-{n}")
            [claimed] = await w.claim(*await ledger.messages.due(run, 9, w.now))
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED)
            await w.move(run, "done")
        assert len(await ledger.runs.list()) == 21
        assert await read(w, scale) == before
        await ledger.close()

    asyncio.run(told())


def test_a_worker_that_says_no_farewell_is_forgotten() -> None:
    """A week behind its last beat; functions that AWS stops would be there for ever."""

    async def told() -> None:
        ledger = await DynamoLedger.open(table := fresh())
        w = World(ledger)
        await w.begin("w")
        await ledger.workers.beat("w", w.now + 5_000)
        [item] = [item for item in all_items(table) if item["pk"] == keys.WORKERS]
        assert item["x"] == (w.now + 5_000) // 1000 + SILENT_S
        await ledger.close()

    asyncio.run(told())
