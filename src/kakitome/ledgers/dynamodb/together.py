"""Requests of one call that are under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

MOST: Final = 32

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


async def each_together(asked: Sequence[Asked], ask: Callable[[Asked], Awaitable[Answer]]) -> list[Answer]:
    """Answers in order. The first error is raised when all have been tried: none is left under way."""
    if len(asked) == 1:
        return [await ask(asked[0])]
    places = asyncio.Semaphore(MOST)

    async def one(it: Asked) -> Answer:
        async with places:
            return await ask(it)

    answers = await asyncio.gather(*map(one, asked), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]
