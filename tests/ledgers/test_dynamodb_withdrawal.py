"""A campaign is cancelled by somebody who dies on the way."""

from __future__ import annotations

import asyncio

from dynamo_parts import Kill, Killed, all_items
from dynamo_rig import fresh
from kakitome.core.lifecycle import Cause, State
from kakitome.ledgers.dynamodb.codec import unpack_message
from kakitome.ledgers.dynamodb.items import bytes_of
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.testing.ledger_world import World

ROWS = 5


async def cancelled(killed_at: int | None) -> tuple[int, set[tuple[State, str | None]]]:
    """How many writes it takes, and what the rows are once a sweeper was there."""
    table = fresh()
    kill = Kill(table)
    ledger = await DynamoLedger.open(table)
    w = World(ledger)
    try:
        run = await w.campaign(*(f"{k}@example.jp" for k in range(ROWS)))
        [early] = await w.claim(*(await ledger.messages.due(run, 1, w.now)))
        await w.settle(early, Cause.DEFERRED, due=w.now + 1000)  # this one is in the open index
        before, kill.left = kill.writes, killed_at
        try:
            await ledger.runs.move(run, "cancelled", "sato", w.now)
        except Killed:
            kill.left = None
        writes = kill.writes - before
        again = await DynamoLedger.open(table)
        was_cancelled = (await ledger.runs.list())[0].state == "cancelled"
        await again.sweeps.expire(100, w.now)
        if not was_cancelled:  # it died before the very first write
            return writes, set()
        items = [item for item in all_items(table) if str(item["pk"]).startswith("c")]
        messages = [unpack_message(bytes_of(item)).message for item in items]
        assert len(messages) == ROWS
        said = kill.writes
        await again.sweeps.expire(100, w.now)
        assert kill.writes == said  # and once is enough
        return writes, {(m.state, m.withdrawn_by) for m in messages}
    finally:
        await ledger.close()


def test_the_sweeper_goes_on_with_a_withdrawal_that_was_cut_off() -> None:
    """Wherever whoever cancels dies, every open mail is withdrawn in that person's name at the next sweep."""
    writes, whole = asyncio.run(cancelled(None))
    assert whole == {(State.CANCELLED, "sato")} and writes > ROWS
    for n in range(writes):
        assert asyncio.run(cancelled(n))[1] == (whole if n else set()), n
