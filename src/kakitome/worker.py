"""A worker: loops that deliver, one that sweeps, and an end in good order.

Transactional mail has a loop and connections of its own, so that it never stands behind a list. Two loops for lists
let one claim and render while the other waits for replies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from kakitome.allowance import Allowances, Followed
from kakitome.core.errors import KakitomeError
from kakitome.core.ids import RunId
from kakitome.core.lane import Lane
from kakitome.core.message import Run
from kakitome.core.policy import Kind
from kakitome.deliver import Batch, Hands, deliver
from kakitome.ports.queue import Queue
from kakitome.ports.transport import Transport
from kakitome.ports.workers import Hosts
from kakitome.sweep import reap, sweep

log = logging.getLogger("kakitome.worker")

IDLE = 0.25  # seconds between looks when nobody rings: other processes' bells are not heard here
BEAT = 1.0
FIRST_LOOK = 2.0  # seconds that mail waits for the provider's limits at the start: without them it goes one a second

_T = TypeVar("_T")

Connect = Callable[[str], Transport]
"""A fresh transport for a lane; each loop has its own, so its connections are its own."""


class Worker:
    """Works until `stop`. `routes` are the lanes of each stream, in order; `only` restricts it to one run; `followed`
    are the accounts whose limits the provider says; `beside` runs as long as the worker does, and is cancelled then."""

    def __init__(
        self,
        hands: Hands,
        hosts: Hosts,
        queue: Queue,
        lanes: Mapping[str, Lane],
        routes: Callable[[str], Sequence[str]],
        connect: Connect,
        only: RunId | None = None,
        followed: Mapping[str, Followed] | None = None,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self._hands = hands
        self._hosts = hosts
        self._queue = queue
        self._lanes = lanes
        self._routes = routes
        self._connect = connect
        self._only = only
        self._allowances = Allowances(followed or {}, hands.ledger, hands.clock)
        self._beside = beside
        self._stop = asyncio.Event()
        self.waiting: str = ""  # why nothing is sent now, for whoever watches
        self.waiting_until: int = 0

    def stop(self) -> None:
        """Claim nothing more, finish what is on the wire, give the rest back."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    async def run(self) -> None:
        hands = self._hands
        record = self._hosts.record(hands.worker, hands.clock.now())
        await hands.ledger.workers.begin(record)
        # The limits have a task of their own: a provider that does not answer must not hold the heartbeat up.
        always = (self._sweep, self._allowances.follow)
        beside = [asyncio.create_task(work()) for work in (*always, *self._beside)]
        try:
            await self._first_look()
            kinds = (Kind.TRANSACTIONAL, Kind.BULK, Kind.BULK) if self._only is None else (Kind.BULK, Kind.BULK)
            await asyncio.gather(*(self._loop(kind) for kind in kinds))
            await hands.ledger.workers.end(hands.worker, hands.clock.now())
            self._hosts.forget(record)
        finally:
            for task in beside:
                task.cancel()
            for task in beside:
                with suppress(asyncio.CancelledError):
                    await task

    async def _first_look(self) -> None:
        looked, clock = self._allowances.looked, self._hands.clock
        if not looked.is_set():
            await _first(looked.wait(), self._stop.wait(), clock.sleep(FIRST_LOOK))

    async def _loop(self, kind: Kind) -> None:
        transports: dict[str, Transport] = {}
        try:
            while not self.stopping:
                if not await self._round(kind, transports):
                    await self._rest(kind)
        finally:
            for transport in transports.values():
                await transport.close()

    async def _rest(self, kind: Kind) -> None:
        await _first(self._queue.wait(kind.value, IDLE), self._stop.wait())

    async def _round(self, kind: Kind, transports: dict[str, Transport]) -> int:
        """One batch of each run that has due work. What one run meets does not hold the others up."""
        ledger, claimed = self._hands.ledger, 0
        for run in await _tried(ledger.runnable.runnable(self._hands.clock.now()), ()):
            if not self.stopping and self._is_mine(run, kind):
                claimed += (await _tried(self._deliver(run, transports), Batch(0))).claimed
        return claimed

    def _is_mine(self, run: Run, kind: Kind) -> bool:
        return run.policy.kind is kind and self._only in (None, run.id)

    async def _deliver(self, run: Run, transports: dict[str, Transport]) -> Batch:
        """Through the first lane of the route that takes something now."""
        batch = Batch(0)
        for name in self._routes(run.stream):
            transport = transports.get(name) or transports.setdefault(name, self._connect(name))
            batch = await deliver(run, self._allowances.lane(self._lanes[name]), transport, self._hands)
            if batch.claimed or batch.reason in ("", "rate"):
                break
        self.waiting, self.waiting_until = batch.reason, batch.until
        return batch

    async def _sweep(self) -> None:
        """Heartbeat, dead workers, doubts. The heartbeat is the last thing to go."""
        hands = self._hands
        while True:
            await _tried(hands.ledger.workers.beat(hands.worker, hands.clock.now()), None)
            await _tried(reap(hands.ledger, self._hosts, hands.clock, hands.step), None)
            await _tried(sweep(hands.ledger, self._lanes, hands.clock), None)
            await hands.clock.sleep(BEAT)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Until one of them has come; the others are given up."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _tried(work: Awaitable[_T], otherwise: _T) -> _T:
    """What comes of it. Trouble is logged and met again next time: a worker works on."""
    try:
        return await work
    except KakitomeError as error:
        log.error("%s", error)
    except Exception:
        log.exception("An error of ours. What was on the wire is in doubt, the rest is queued.")
    return otherwise
