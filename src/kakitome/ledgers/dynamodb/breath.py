"""Work on many items, with a pause after each few: who waits for his slot is there within 25 ms, or has missed it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

BREATH = 16
"""Items between two pauses: each takes up to 0.2 ms to be unpacked, changed and packed again."""

T = TypeVar("T")


async def in_breaths(items: Iterable[T]) -> AsyncIterator[T]:
    for k, item in enumerate(items):
        if k % BREATH == BREATH - 1:
            await asyncio.sleep(0)
        yield item
