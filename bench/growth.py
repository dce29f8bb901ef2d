"""Does a mail cost more in a long list than in a short one?

One list of 500,000 rows, and ten of 50,000, each in a ledger of its own. Each tenth of the long one and a short list
are taken in, claimed and settled in turns of some milliseconds, so that both meet the same weather. A sample of every
tenth goes through the whole of `deliver` instead, with rendering and MIME, to a transport that only says yes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from figure import Figure
from kakitome.app import Instance, opened
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Settlement
from kakitome.deliver import BATCH
from kakitome.hands import Hands
from nowhere import deliver_one, hands
from rows import CHUNK, RUNNING, batch, begin, end
from stage import configuration, letter

SHORT, TENTHS = 50_000, 10
SAMPLE = 10
"""Batches of each tenth that go through `deliver`."""

Step = Callable[["List"], Awaitable[None]]


class List:
    """A list in a ledger of its own."""

    def __init__(self, instance: Instance, run: RunId, rows: int) -> None:
        self._instance, self._run, self._rows = instance, run, rows
        self._ledger = instance.ledger
        self._hands: Hands = hands(instance)
        self._taken_in = 0

    async def append(self) -> float:
        """Take in the next rows; with the last ones, the list is closed and runs. Seconds."""
        rows = batch(self._taken_in)
        self._taken_in += CHUNK
        began = time.perf_counter()
        await self._ledger.runs.append(self._run, "list", rows, RUNNING, RUNNING)
        if self._taken_in == self._rows:
            await end(self._ledger, self._run, "list")
        return time.perf_counter() - began

    async def claim_and_settle(self) -> float:
        """A batch, by the ledger alone. Seconds."""
        began = time.perf_counter()
        ids = await self._ledger.messages.due(self._run, BATCH, RUNNING)
        claims = await self._ledger.messages.claim(ids, "bench", "lane", RUNNING + 600_000, RUNNING)
        accepted = [
            Settlement(
                id=claim.id,
                fence=claim.fence,
                cause=Cause.PROVIDER_ACCEPTED,
                provider_id=f"0100{claim.id:016x}-bench-000000",
                outcome=b'{"outcome":"accepted","reply":{"code":250,"text":"Ok"}}',
            )
            for claim in claims
        ]
        await self._ledger.messages.settle(accepted, RUNNING)
        return time.perf_counter() - began

    async def deliver(self) -> float:
        """A batch, by all that a worker does. Seconds."""
        began = time.perf_counter()
        await deliver_one(self._instance, self._run, self._hands)
        return time.perf_counter() - began


def measure(folder: Path) -> list[Figure]:
    return asyncio.run(_measure(folder))


async def _measure(folder: Path) -> list[Figure]:
    async with AsyncExitStack() as stack:

        async def list_(name: str, rows: int) -> List:
            instance = await stack.enter_async_context(opened(configuration(folder / name)))
            return List(instance, await begin(instance.ledger, "list", await letter(instance)), rows)

        long = await list_("long", SHORT * TENTHS)
        shorts = [await list_(f"short-{k}", SHORT) for k in range(TENTHS)]
        imports = [await _in_turns(List.append, long, short, SHORT // CHUNK) for short in shorts]
        alone = SHORT // BATCH - SAMPLE
        settled = [await _in_turns(List.claim_and_settle, long, short, alone) for short in shorts]
        delivered = [await _in_turns(List.deliver, long, short, SAMPLE) for short in shorts]
    return [
        _figure("a mail at 500,000 rows: import, claim, settle", imports, settled, alone * BATCH),
        _figure("the same with rendering, MIME and a transport", imports, delivered, SAMPLE * BATCH),
    ]


async def _in_turns(step: Callable[[List], Awaitable[float]], long: List, short: List, times: int) -> list[float]:
    """Seconds of the long and of the short list for as many steps of each."""
    seconds = [0.0, 0.0]
    for _ in range(times):
        for k, one in enumerate((long, short)):
            seconds[k] += await step(one)
    return seconds


def _figure(what: str, imports: list[list[float]], sent: list[list[float]], mails: int) -> Figure:
    costs = [[i / SHORT + s / mails for i, s in zip(*pair, strict=True)] for pair in zip(imports, sent, strict=True)]
    ratio = median(long / short for long, short in costs)
    long, short = (median(tenth) * 1e6 for tenth in zip(*costs, strict=True))
    note = f"{long:.0f} µs against {short:.0f} µs at 50,000; medians of {TENTHS} tenths, in turns; last tenth "
    return Figure(what=what, measured=ratio, unit="×", limit=1.15, note=note + f"{costs[-1][0] / costs[-1][1]:.2f} ×")
