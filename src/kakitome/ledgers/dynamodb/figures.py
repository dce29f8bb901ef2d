"""What figures say: sums over the counters of runs; no message is read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from zlib import crc32

from kakitome.core.ids import RunId
from kakitome.core.statistics import Cell, LinkFigures, Totals
from kakitome.ledgers.dynamodb import counters
from kakitome.ledgers.dynamodb.counters import BETWEEN, BUCKETS, QUARTERS
from kakitome.ledgers.dynamodb.counters_kept import Cells
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.memory.figures import domains, links, machines, totals
from kakitome.ports.figures import Timely


class DynamoFigures:
    def __init__(self, desk: Desk, feed: Feed) -> None:
        self._feed = feed

    async def totals(self, runs: Sequence[RunId]) -> Totals:
        return totals(await self._of_runs(runs))

    async def machines(self, runs: Sequence[RunId]) -> dict[str, tuple[int, int]]:
        return machines(await self._of_runs(runs))

    async def domains(self, runs: Sequence[RunId], n: int, domain: str | None = None) -> dict[str, Totals]:
        if domain is None:
            return domains(await self._of_buckets(runs, "d"), n, None)
        await self._feed.fresh()
        bucket = f"d{crc32(domain.encode()) % BUCKETS:02x}"
        return domains(_figures(await self._feed.counters.read([Key(f"C{run:x}", bucket) for run in runs])), n, domain)

    async def links(self, runs: Sequence[RunId], n: int) -> list[LinkFigures]:
        return links(await self._of_buckets(runs, "l"), n)

    async def _of_runs(self, runs: Sequence[RunId]) -> Counter[Cell]:
        await self._feed.fresh()
        return _figures(await self._feed.counters.read([counters.of_run(run) for run in runs]))

    async def _of_buckets(self, runs: Sequence[RunId], letter: str) -> Counter[Cell]:
        await self._feed.fresh()
        wanted = [self._feed.counters.range(f"C{run:x}", letter, f"{letter}~") for run in dict.fromkeys(runs)]
        return sum((_figures(found) for found in await asyncio.gather(*wanted)), Counter())

    async def timely(self, since: int, until: int, runs: Sequence[RunId] | None = None) -> list[Timely]:
        if since >= until:
            return []
        await self._feed.fresh()
        first, last = counters.of_quarter(since), counters.of_quarter(until - 1)
        wanted = None if runs is None else {f"{run:x}" for run in runs}
        found: Counter[tuple[int, str, str]] = Counter()
        for key, cells in (await self._feed.counters.range(QUARTERS, first.sk, last.sk)).items():
            at = counters.quarter_of(key)
            for cell, n in cells.items():
                run, lane, name = quartered(cell)
                if (wanted is None or run in wanted) and since <= at < until:
                    found[at, lane, name] += n
        return sorted(Timely(*key, n) for key, n in found.items() if n)


def quartered(cell: str) -> tuple[str, str, str]:
    """Run, lane, name."""
    run, _, rest = cell.partition(BETWEEN)
    lane, _, name = rest.rpartition(BETWEEN)
    return run, lane, name


def _figures(documents: dict[Key, Cells]) -> Counter[Cell]:
    found: Counter[Cell] = Counter()
    for key, cells in documents.items():
        for cell, n in cells.items():
            if (figure := counters.figure_of(key.sk, cell)) is not None:
                found[figure] += n
    return found
