"""Kakitome as several processes, each fresh: `serve`, and workers of a campaign."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

from kakitome.app import opened
from kakitome.config import Config
from kakitome.http.server import serve
from nowhere import unconnected
from stage import work

_spawn = get_context("spawn")  # forking would copy the parent's threads' locks


@contextmanager
def process(task: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """`task(*arguments, connection)` in a process of its own; yields our end of the connection.

    At the end of the block it is told to stop by SIGTERM, and waited for.
    """
    here, there = _spawn.Pipe()
    started = _spawn.Process(target=task, args=(*arguments, there))
    started.start()
    there.close()
    try:
        yield here
    finally:
        started.terminate()
        started.join()


def serving(config: Config, parent: Connection) -> None:
    """A `serve` whose worker sends to nowhere. Says its HOST:PORT."""

    async def run() -> None:
        async with opened(config) as instance:
            await serve(unconnected(instance), "127.0.0.1", 0, announce=parent.send)

    asyncio.run(run())


def sending(config: Config, connected: bool, parent: Connection) -> None:
    """A worker for the campaign `letter`. Says that it is ready, waits for a word, and says when nothing is open."""

    async def run() -> None:
        async with opened(config) as instance:
            found = await instance.ledger.runs.find("letter")
            assert found is not None
            parent.send("ready")
            await asyncio.to_thread(parent.recv)
            await work(instance if connected else unconnected(instance), found)
            parent.send("done")

    asyncio.run(run())
