"""A worker for a while: as long as a function of AWS Lambda, or a request that wakes it, may take.

It delivers by the same verb and along the same lanes as `worker.Worker`, and begins nothing that it could not end. A
batch has at most a second of slots; behind it there must be time for the provider's answer and for the ledger. Whoever
ends it all the same (a time-out, a crash) leaves claims whose lease says when they are looked at.

    hand_over   rows that came as the errand's own: what cannot be sent now waits in the ledger, for any worker
    work        what is due there, until nothing is

`errand` is a worker that the ledger knows of. `unannounced` is one that it does not: a child may have one row, and a
worker's beginning and end would be half of its writes. Claims of the unannounced have their leases, and so have those
of every function: on which machine it ran, and whether that is certainly gone, nobody can say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

from kakitome.allowance import Allowances
from kakitome.along import along
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.lane import Lane
from kakitome.core.message import Run
from kakitome.deliver import deliver
from kakitome.hands import Hands
from kakitome.ports.accounts import Pace
from kakitome.ports.runs import ImportRow
from kakitome.ports.transport import Transport
from kakitome.ports.workers import Hosts
from kakitome.supply import Batch, Portion, Supply

log = logging.getLogger("kakitome.errand")

BEAT = 20.0  # seconds; a heartbeat counts as lost after 60, and each is a write
SETTLING = 4.0  # seconds for a last second of slots, and for the ledger
PATIENCE = 5_000  # ms that are waited for slots: longer, and others may do it

Left = Callable[[], float]
"""Seconds that are left of the time."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What outlives an errand: connections, and what is known of accounts. `paces` by name, in mails a second."""

    lanes: Mapping[str, Lane]
    routes: Callable[[str], Sequence[str]]
    connect: Callable[[str], Transport]
    allowances: Allowances
    paces: Mapping[str, float] = field(default_factory=dict)
    transports: dict[str, Transport] = field(default_factory=dict)

    async def deliver(self, run: Run, hands: Hands, pace: str, supply: Supply | None = None) -> Batch:
        limit = Pace(pace, self.paces.get(pace, inf)) if pace else None

        async def take(name: str) -> Batch:
            transport = self.transports.get(name) or self.transports.setdefault(name, self.connect(name))
            return await deliver(run, self.allowances.lane(self.lanes[name]), transport, hands, limit, supply)

        return await along(self.routes(run.stream), take)

    def answer(self) -> float:
        """Seconds that an answer may take."""
        return max((lane.timeout for lane in self.lanes.values()), default=0) / 1000

    async def close(self) -> None:
        for transport in self.transports.values():
            await transport.close()
        self.transports.clear()


class Errand:
    def __init__(self, hands: Hands, ways: Ways) -> None:
        self._hands = hands
        self._ways = ways

    async def hand_over(self, run: Run, digest: str, rows: Sequence[ImportRow]) -> int:
        """Send what can be sent in time, rows of each pace by themselves; answers how many wait in the ledger, because
        they were left or because their slots were missed. Raises `StateError` where it takes none of them."""
        hands, returned = self._hands, 0
        portions = {
            pace: Portion(run, digest, [row for row in rows if row.pace == pace], hands.ledger.rows, hands)
            for pace in sorted({row.pace for row in rows})
        }
        while run.state == "running" and not hands.stopping():
            before = {pace: len(portion.rest) for pace, portion in portions.items() if portion.rest}
            batches = [await self._ways.deliver(run, hands, pace, portions[pace]) for pace in before]
            returned += sum(batch.returned for batch in batches)
            moved = any(len(portions[pace].rest) < rest for pace, rest in before.items())
            if not moved and not await self._has_waited(batches):
                break
        left = [await portion.leave(hands.clock.now()) for portion in portions.values() if portion.rest]
        return returned + sum(left)

    async def work(self) -> bool:
        """Deliver what is due. Whether there was more than there was time for; where there was time for nothing, it is
        not said, for whoever is rung for then would have no more."""
        ledger, clock, any_claimed = self._hands.ledger, self._hands.clock, False
        while not self._hands.stopping():
            batches = [
                await self._ways.deliver(run, self._hands, pace)
                for run in await ledger.runnable.runnable(clock.now())
                for pace in await ledger.runnable.paces(run.id, clock.now())
                if not self._hands.stopping()
            ]
            claimed = any(batch.claimed for batch in batches)
            any_claimed = any_claimed or claimed
            if not claimed and not await self._has_waited(batches):
                return False
        return any_claimed

    async def _has_waited(self, batches: Sequence[Batch]) -> bool:
        """Whether something goes on soon; then until it does."""
        clock = self._hands.clock
        soon = min((batch.until for batch in batches if batch.reason in ("rate", "pace")), default=None)
        if soon is None or soon > clock.now() + PATIENCE:
            return False
        await clock.sleep(max(0.01, (soon - clock.now()) / 1000))
        return True


@asynccontextmanager
async def errand(hands: Hands, hosts: Hosts, ways: Ways) -> AsyncIterator[Errand]:
    """A worker that the ledger knows of for as long as this lasts. One that ends with an error is not ended there: what
    it had claimed is looked at when its lease is over."""
    record = hosts.record(hands.worker, hands.clock.now())
    await hands.ledger.workers.begin(record)
    await ways.allowances.refresh()
    async with _beside(_beat(hands, ways)):
        yield Errand(hands, ways)
    await hands.ledger.workers.end(hands.worker, hands.clock.now())
    hosts.forget(record)


@asynccontextmanager
async def unannounced(hands: Hands, ways: Ways) -> AsyncIterator[Errand]:
    """A worker of which the ledger hears nothing but its claims."""
    await ways.allowances.refresh()
    async with _beside(_look(hands, ways)):
        yield Errand(hands, ways)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Done until the end of this."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _look(hands: Hands, ways: Ways) -> None:
    while True:
        await hands.clock.sleep(BEAT)
        await ways.allowances.refresh()


async def _beat(hands: Hands, ways: Ways) -> None:
    while True:
        await hands.clock.sleep(BEAT)
        try:
            await hands.ledger.workers.beat(hands.worker, hands.clock.now())
        except LedgerUnavailable as error:  # the next one may come; without any the sweeper takes the claims
            log.warning("%s", error)
        await ways.allowances.refresh()


def stopping(left: Left, ways: Ways) -> Callable[[], bool]:
    """Whether it is too late to begin anything."""
    return lambda: left() < SETTLING + ways.answer()
