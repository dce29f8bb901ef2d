"""How many mails can be handed in a second? Each answer is behind a durable write.

By the verb in this process, and over HTTP to a `serve` in another one, whose worker sends them on (to nowhere) at the
same time. Callers at once: what one fsync is shared by.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec

from figure import Figure
from kakitome.accept import Handed, accept
from kakitome.app import opened
from kakitome.core.message import Admitted
from kakitome.core.submission import MessageRequest
from processes import process, serving
from stage import ORDER, configuration

CALLERS = 32
EACH = 60
TOGETHER = 500


def measure(folder: Path) -> list[Figure]:
    figures = asyncio.run(_by_the_verb(folder / "verb"))
    with process(serving, configuration(folder / "http")) as server:
        posted = asyncio.run(_over_http(server.recv()))
    return [*figures, Figure(what="accepts over HTTP", measured=posted, unit="/s", note=f"{CALLERS} callers at once")]


async def _by_the_verb(folder: Path) -> list[Figure]:
    order = msgspec.convert(ORDER, MessageRequest)
    async with opened(configuration(folder)) as instance:
        desk = instance.desk()

        async def hand_in(mails: int) -> None:
            answers = await accept([Handed(order)] * mails, desk)
            if not all(isinstance(answer, Admitted) for answer in answers):
                raise RuntimeError(f"{answers[0]}")

        single = await _a_second(lambda: hand_in(1))
        began = time.perf_counter()
        for _ in range(5):
            await hand_in(TOGETHER)
        together = 5 * TOGETHER / (time.perf_counter() - began)
    return [
        Figure(what="accepts by the verb", measured=single, unit="/s", note=f"{CALLERS} callers at once"),
        Figure(what=f"the same, {TOGETHER} in a call", measured=together, unit="/s", note="one caller"),
    ]


async def _over_http(address: str) -> float:
    connector = aiohttp.TCPConnector(limit=CALLERS)
    async with aiohttp.ClientSession(f"http://{address}", connector=connector) as session:

        async def post() -> None:
            async with session.post("/v1/messages", json=ORDER) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"{answer.status}: {await answer.text()}")

        return await _a_second(post)


async def _a_second(call: Callable[[], Awaitable[None]]) -> float:
    """Calls a second, with so many callers at once that each waits for its answer."""

    async def caller() -> None:
        for _ in range(EACH):
            await call()

    await call()
    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return CALLERS * EACH / (time.perf_counter() - began)
