"""A worker for a while: what does not concern its mail does not end it."""

from __future__ import annotations

import asyncio

from machine import Machine, Plug

from kakitome.allowance import Allowances
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.policy import Kind, Policy
from kakitome.errand import Ways, errand


def test_a_heartbeat_that_fails_is_not_the_last() -> None:
    """The ledger is throttled for a moment: the next beat comes, and the errand ends in order. Without it the sweeper
    would take the claims of an errand that goes on."""

    async def run() -> None:
        machine = Machine(Policy(kind=Kind.BULK), "all")
        hands = await machine._worker(Plug())
        workers, beats = machine.ledger.workers, list[int]()
        beat, beaten = workers.beat, asyncio.Event()

        async def throttled(worker: str, now: int) -> None:
            beats.append(now)
            if len(beats) == 1:
                raise LedgerUnavailable("The table is throttled.", "It is tried again.")
            await beat(worker, now)
            beaten.set()

        workers.beat = throttled  # type: ignore[method-assign]
        ways = Ways({}, lambda _: (), lambda _: None, Allowances({}, machine.ledger, machine.clock))  # type: ignore[arg-type,return-value]
        async with errand(hands, machine.hosts, ways), asyncio.timeout(10):
            await beaten.wait()
            [record] = await workers.all()
            assert record.heartbeat >= beats[1]
        assert await workers.all() == []

    asyncio.run(run())
