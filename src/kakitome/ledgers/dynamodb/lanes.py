"""What is known of a lane's events around an attempt in doubt, out of its acceptances by the second."""

from __future__ import annotations

import asyncio
from typing import Final

from kakitome.core.evidence import STREAK, LaneRecord
from kakitome.core.policy import Horizons
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.counters import SHOWN, latest_of, of_lane, of_seconds
from kakitome.ledgers.dynamodb.counters_kept import Cells, opened, summed
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.marshal import Key

AT_ONCE: Final = 16
"""Documents that are read at once for a streak. A busy lane needs one."""


class LaneRecords:
    def __init__(self, desk: Desk, feed: Feed) -> None:
        self._desk = desk
        self._feed = feed

    async def around(self, lane: str, begun: int, horizons: Horizons, now: int) -> LaneRecord:
        """In whole seconds, see `ports.messages.Sweeps.record`."""
        await self._feed.fresh()
        first, last = (begun - horizons.neighbourhood) // 1000, (begun + horizons.neighbourhood) // 1000
        near, streak, latest = await asyncio.gather(
            self._near(lane, first, last), self._streak(lane, (now - horizons.quiet) // 1000), self._latest(lane)
        )
        return LaneRecord(*near, *streak, latest)

    async def _near(self, lane: str, first: int, last: int) -> tuple[int, int]:
        since, until = of_seconds(lane, first), of_seconds(lane, last)
        cells = summed(await self._feed.counters.range(of_lane(lane), since.sk, until.sk))
        seconds = [second for second in seconds_of(cells) if first <= second <= last]
        return _accepted(cells, seconds), _proved(cells, seconds)

    async def _streak(self, lane: str, before: int) -> tuple[int, int]:
        """The last acceptances before this second, whole seconds of them until there are enough."""
        accepted = proved = 0
        until = of_seconds(lane, before).sk
        while True:
            items = await self._desk.table.query(of_lane(lane), since="0", until=until, forward=False, limit=AT_ONCE)
            for item in items:
                cells = opened(item).cells
                for second in sorted(seconds_of(cells), reverse=True):
                    if second < before and accepted < STREAK:
                        accepted += _accepted(cells, [second])
                        proved += _proved(cells, [second])
            if len(items) < AT_ONCE or accepted >= STREAK:
                most = min(accepted, STREAK)
                return most, max(0, most - (accepted - proved))
            until = keys.sortable(keys.number_of(str(items[-1]["sk"])) - 1)

    async def _latest(self, lane: str) -> int | None:
        key: Key = latest_of(lane)
        return (await self._feed.counters.read([key])).get(key, {}).get(SHOWN)


def seconds_of(cells: Cells) -> list[int]:
    """Those in which something was accepted."""
    return [int(cell[1:]) for cell in cells if cell[0] == "a"]


def _accepted(cells: Cells, seconds: list[int]) -> int:
    return sum(cells.get(f"a{second}", 0) for second in seconds)


def _proved(cells: Cells, seconds: list[int]) -> int:
    return sum(cells.get(f"p{second}", 0) for second in seconds)
