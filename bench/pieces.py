"""What does each piece of a mail's way cost, and how long does a list keep the event loop from everybody else?

Pieces are timed by the batch, as a worker has them. The loop is watched by a task that wants to run every millisecond
while a list goes out (to nowhere) in the same process: what it waits, a request to that process would wait as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import TypeVar

import msgspec

from figure import Figure
from kakitome.app import Instance, opened
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed, Run, Settlement
from kakitome.core.mime import mime
from kakitome.deliver import BATCH
from nowhere import unconnected
from stage import campaign, configuration, work

BATCHES = 40
WATCHED = 40 * BATCH
TICK = 0.001

T = TypeVar("T")


def measure(folder: Path) -> list[Figure]:
    return [*asyncio.run(_pieces(folder / "pieces")), asyncio.run(_waits(folder / "loop"))]


class _Watch:
    """Seconds by piece, a batch each."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    async def timed(self, piece: str, work: Awaitable[T]) -> T:
        began = time.perf_counter()
        done = await work
        self.seconds.setdefault(piece, []).append(time.perf_counter() - began)
        return done


async def _pieces(folder: Path) -> list[Figure]:
    watch = _Watch()
    async with opened(configuration(folder)) as instance:
        run = await campaign(instance, BATCHES * BATCH)
        for _ in range(BATCHES):
            await _batch(instance, run, watch)
    note = f"medians of {BATCHES} batches of {BATCH}"
    return [
        Figure(what=piece, measured=median(seconds) / BATCH * 1e6, unit="µs", note=note)
        for piece, seconds in watch.seconds.items()
    ]


async def _batch(instance: Instance, run: Run, watch: _Watch) -> None:
    messages, now = instance.ledger.messages, instance.clock.now()

    async def claim() -> list[Claimed]:
        return await messages.claim(await messages.due(run.id, BATCH, now), "bench", "lane", now + 600_000, now)

    claims = await watch.timed("look and claim, a mail", claim())
    contents = await watch.timed("render, a mail", instance.renderer.render(run, claims))

    async def written() -> int:
        at = datetime.now(UTC)
        return sum(
            len(mime(c, message_id="<m@example.com>", date=at)) for c in contents if isinstance(c, msgspec.Struct)
        )

    await watch.timed("MIME, a mail", written())
    accepted = [
        Settlement(id=c.id, fence=c.fence, cause=Cause.PROVIDER_ACCEPTED, provider_id=f"0100{c.id:x}") for c in claims
    ]
    await watch.timed("settle, a mail", messages.settle(accepted, now))


async def _waits(folder: Path) -> Figure:
    async with opened(configuration(folder)) as instance:
        run = await campaign(instance, WATCHED)
        late: list[float] = []
        watching = asyncio.create_task(_tick(late))
        await work(unconnected(instance), run)
        watching.cancel()
    note = f"median {median(late):.1f}, longest {max(late):.0f}"
    return Figure(
        what="wait for the event loop beside a list, 99 %", measured=quantiles(late, n=100)[98], unit="ms", note=note
    )


async def _tick(late: list[float]) -> None:
    """Milliseconds beyond the tick."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        late.append(max(0.0, time.perf_counter() - began - TICK) * 1_000)
