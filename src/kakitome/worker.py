"""A worker: loops that deliver, one that sweeps, and an end in good order.

Transactional mail has a loop and connections of its own, so that it never stands behind a list. Two loops for lists
let one claim and render while the other waits for replies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

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

_T = TypeVar("_T")

Connect = Callable[[str], Transport]
"""A fresh transport for a lane; each loop has its own, so its connections are its own."""


class Worker:
    """Works until `stop`. `routes` are the lanes of each stream, in order; `only` restricts it to one run."""

    def __init__(
        self,
        hands: Hands,
        hosts: Hosts,
        queue: Queue,
        lanes: Mapping[str, Lane],
        routes: Callable[[str], Sequence[str]],
        connect: Connect,
        only: RunId | None = None,
    ) -> None:
        self._hands = hands
        self._hosts = hosts
        self._queue = queue
        self._lanes = lanes
        self._routes = routes
        self._connect = connect
        self._only = only
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
        sweeping = asyncio.create_task(self._sweep())
        try:
            kinds = (Kind.TRANSACTIONAL, Kind.BULK, Kind.BULK) if self._only is None else (Kind.BULK, Kind.BULK)
            await asyncio.gather(*(self._loop(kind) for kind in kinds))
            await hands.ledger.workers.end(hands.worker, hands.clock.now())
            self._hosts.forget(record)
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping

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
        ringing = asyncio.create_task(self._queue.wait(kind.value, IDLE))
        stopping = asyncio.create_task(self._stop.wait())
        _, pending = await asyncio.wait((ringing, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

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
            batch = await deliver(run, self._lanes[name], transport, self._hands)
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


async def _tried(work: Awaitable[_T], otherwise: _T) -> _T:
    """What comes of it. Trouble is logged and met again next time: a worker works on."""
    try:
        return await work
    except KakitomeError as error:
        log.error("%s", error)
    except Exception:
        log.exception("An error of ours. What was on the wire is in doubt, the rest is queued.")
    return otherwise
