"""The lanes of a route, in order: the first that takes something now takes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from kakitome.supply import Batch

STAY = ("", "rate", "pace")
"""Why a lane took nothing now, and the next one of the route is not asked: there was nothing, or it goes on at once."""


async def along(route: Sequence[str], take: Callable[[str], Awaitable[Batch]]) -> Batch:
    """Answers what the last one said that was asked."""
    batch = Batch(0)
    for lane in route:
        batch = await take(lane)
        if batch.claimed or batch.reason in STAY:
            break
    return batch
