"""What does a claim cost with a million paused rows in front of it?

Two ledger files that differ in nothing else: in one, an older campaign of a million rows is paused before the running
one. Look and claim in turns, 256 mails each, so that whatever else this machine does meets both.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median

from figure import Figure
from kakitome.core.ids import RunId
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from rows import RUNNING, take_in

PAUSED = 1_000_000
CLAIMS = 200
BATCH = 256


def measure(folder: Path) -> list[Figure]:
    return asyncio.run(_measure(folder))


async def _measure(folder: Path) -> list[Figure]:
    behind, alone = folder / "behind.db", folder / "alone.db"
    runs = {behind: await _filled(behind, PAUSED), alone: await _filled(alone, 0)}
    ledgers = {path: SqliteLedger(path) for path in runs}  # opened anew: both begin without a WAL
    seconds: dict[Path, list[float]] = {path: [] for path in runs}
    for turn in range(CLAIMS):
        for path in (behind, alone) if turn % 2 else (alone, behind):
            seconds[path].append(await _claim(ledgers[path], runs[path]))
    for ledger in ledgers.values():
        await ledger.close()
    slow, quick = median(seconds[behind]), median(seconds[alone])
    note = f"{slow * 1_000:.2f} ms against {quick * 1_000:.2f} ms for {BATCH} mails; medians of {CLAIMS}, in turns"
    return [Figure(what="a claim behind 1,000,000 paused rows", measured=slow / quick, unit="×", limit=1.5, note=note)]


async def _filled(path: Path, paused: int) -> RunId:
    """A ledger with that many paused rows, and then a campaign that runs."""
    ledger = SqliteLedger(path)
    if paused:
        await ledger.runs.move(await take_in(ledger, "paused", paused), "paused", "bench", RUNNING)
    run = await take_in(ledger, "running", CLAIMS * BATCH)
    await ledger.close()
    return run


async def _claim(ledger: SqliteLedger, run: RunId) -> float:
    """Seconds for what a worker does to get a batch: who may run, what is due, the claim."""
    began = time.perf_counter()
    await ledger.runnable.runnable(RUNNING)
    ids = await ledger.messages.due(run, BATCH, RUNNING)
    claims = await ledger.messages.claim(ids, "bench", "lane", RUNNING + 600_000, RUNNING)
    took = time.perf_counter() - began
    if len(claims) != BATCH:
        raise RuntimeError(f"{len(claims)} claims of {BATCH}")
    return took
