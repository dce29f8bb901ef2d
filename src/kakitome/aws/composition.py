"""One instance of Kakitome for each container of AWS Lambda, kept from one invocation to the next.

A container has one invocation at a time, and stands still between them: so does the event loop, on which the
connections live. (*AWS Lambda Developer Guide*, "Understanding the Lambda execution environment lifecycle".) The
configuration is the function's environment.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import Any, TypeVar

from kakitome.app import Instance, opened
from kakitome.config import load
from kakitome.core.message import Run
from kakitome.errand import Errand, Left, Ways, errand, stopping, unannounced
from kakitome.hands import Hands
from kakitome.queues.far import FarQueue
from kakitome.start import campaign

T = TypeVar("T")
Milliseconds = Callable[[], int]
"""What is left of an invocation: `context.get_remaining_time_in_millis`."""
RECENT = 5.0
"""Seconds for which a run is taken as it was read. Whatever is claimed or sent asks the ledger for itself whether the
campaign goes on."""


class Here:
    """What an invocation works with."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._runs: dict[str, tuple[float, Run]] = {}
        self._hands: Hands | None = None
        self._left: Left = lambda: 0.0

    @cached_property
    def ways(self) -> Ways:
        return self.instance.ways()

    @asynccontextmanager
    async def errand(self, left: Milliseconds) -> AsyncIterator[Errand]:
        seconds: Left = lambda: left() / 1000  # noqa: E731  it has a type so
        hands = self.instance.hands(stopping(seconds, self.ways))
        async with errand(hands, self.instance.host, self.ways) as one:
            yield one

    @asynccontextmanager
    async def child(self, left: Milliseconds) -> AsyncIterator[Errand]:
        """An unannounced one, by the same hands each time: what they learnt of lanes is still true. Hands that an error
        went through are given up."""
        self._left = lambda: left() / 1000
        hands = self._hands = self._hands or self.instance.hands(stopping(lambda: self._left(), self.ways))
        try:
            async with unannounced(hands, self.ways) as one:
                yield one
        except BaseException:
            self.let_go()
            raise

    def let_go(self) -> None:
        if self._hands is not None:
            host, clock = self.instance.host, self.instance.clock
            host.forget(host.record(self._hands.worker, clock.now()))
            self._hands = None

    async def campaign(self, name: str) -> Run:
        """As it was a moment ago at the latest. Raises `NotFound`."""
        now = self.instance.clock.monotonic()
        read, run = self._runs.get(name, (-RECENT, None))
        if run is None or now >= read + RECENT:
            run = await campaign(name, self.instance.ledger)
            self._runs = {name: (now, run)}
        return run

    @cached_property
    def api(self) -> Any:
        from kakitome.http.address import check_address
        from kakitome.http.server import build  # half a second, which only this function pays

        app = build(self.instance)
        check_address(self.instance, "This function", app.state["edge"].keys)
        return app


class Container:
    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._here: Here | None = None

    def run(self, work: Callable[[Here], Awaitable[T]]) -> T:
        """One invocation. Its rings are told when this returns, for nobody knows when the container goes on."""
        return self._runner.run(self._work(work))

    async def _work(self, work: Callable[[Here], Awaitable[T]]) -> T:
        here = self._here or await self._open()
        try:
            return await work(here)
        finally:
            if isinstance(here.instance.queue, FarQueue):
                await here.instance.queue.told()

    async def _open(self) -> Here:
        environment = os.environ if self._environment is None else self._environment
        folder = {"KAKITOME_LEDGER__FOLDER": f"{tempfile.gettempdir()}/kakitome"}  # nothing else can be written to
        instance = await self._stack.enter_async_context(opened(load(None, folder | dict(environment))))
        self._here = Here(instance)
        self._stack.push_async_callback(self._here.ways.close)
        self._stack.callback(self._here.let_go)
        return self._here

    def close(self) -> None:
        """For tests: a container is never closed, but killed."""
        self._runner.run(self._stack.aclose())
        self._runner.close()


_containers: list[Container] = []


def run(work: Callable[[Here], Awaitable[T]]) -> T:
    """In this process's container."""
    if not _containers:
        _containers.append(Container())
    return _containers[0].run(work)
