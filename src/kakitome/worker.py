"""A worker: loops that deliver, one that sweeps, and an end in good order.

Transactional mail has a loop and connections of its own, so that it never stands behind a list. Two loops for lists
let one claim and render while the other waits for replies. A route's first lane that takes something takes it: where it
is stopped, its quota used up or only just back, the next one is asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any, TypeVar

from kakitome.allowance import Allowances, Followed
from kakitome.along import along
from kakitome.canary import Canaries
from kakitome.core.errors import KakitomeError
from kakitome.core.ids import RunId
from kakitome.core.lane import Lane, is_canary
from kakitome.core.message import Run
from kakitome.core.policy import Kind
from kakitome.deliver import deliver
from kakitome.hands import Hands
from kakitome.ports.accounts import Pace
from kakitome.ports.queue import Queue
from kakitome.ports.transport import Transport
from kakitome.ports.workers import Hosts
from kakitome.supply import Batch
from kakitome.sweep import reap, ring, sweep

log = logging.getLogger("kakitome.worker")

BEAT = 1.0
PATIENCE = 2.0  # seconds for the answers to a batch, of which the last slot is at most one second away
MOST_ROUNDS = 8  # at the same time, in each loop
BEGIN_AGAIN = 5.0
FIRST_LOOK = 2.0  # seconds that mail waits for the provider's limits at the start: without them it goes one a second

_T = TypeVar("_T")

Connect = Callable[[str], Transport]
"""A fresh transport for a lane; each loop has its own, so its connections are its own."""


class Worker:
    """Works until `stop`.

    `routes` are the lanes of each stream, in order; `only` restricts it to one run; `followed` are the accounts whose
    limits the provider says; `paces` those of recipients' domains, by name; `beside` runs as long as the worker does,
    and is cancelled then.
    """

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
        paces: Mapping[str, float] | None = None,
        canaries: Canaries | None = None,
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
        self._paces = paces or {}
        self._canaries = canaries
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
        beside = [asyncio.create_task(self._kept_up(work)) for work in (*always, *self._beside)]
        try:
            await self._first_look()
            await asyncio.gather(*(self._loop(kind) for kind in (Kind.TRANSACTIONAL, Kind.BULK, Kind.BULK)))
            await hands.ledger.workers.end(hands.worker, hands.clock.now())
            self._hosts.forget(record)
        finally:
            for task in beside:
                task.cancel()
            for task in beside:
                with suppress(asyncio.CancelledError):
                    await task

    async def _kept_up(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """None of these may end with an error. One that does is said at once and begun again: nobody would notice that
        bounces are read no more, and at the end of the worker it would keep the others from ending in order."""
        while True:
            try:
                return await work()
            except Exception:
                log.exception("An error of ours. What it ended begins again in %d s.", BEGIN_AGAIN)
            await self._hands.clock.sleep(BEGIN_AGAIN)

    async def _first_look(self) -> None:
        looked, clock = self._allowances.looked, self._hands.clock
        if not looked.is_set():
            await _first(looked.wait(), self._stop.wait(), clock.sleep(FIRST_LOOK))

    async def _loop(self, kind: Kind) -> None:
        transports: dict[str, Transport] = {}
        slow: set[asyncio.Task[int]] = set()
        try:
            while not self.stopping:
                if await self._one_round(kind, transports, slow) == 0:
                    await self._rest(kind)
            await asyncio.gather(*slow)
        finally:
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            for transport in transports.values():
                await transport.close()

    async def _one_round(self, kind: Kind, transports: dict[str, Transport], slow: set[asyncio.Task[int]]) -> int:
        """What a round claimed. One that waits too long for its last answers (a server may take ten minutes) is left to
        its end among the `slow` ones, and the next begins beside it."""
        task = asyncio.create_task(self._round(kind, transports))
        slow.add(task)
        task.add_done_callback(slow.discard)
        await asyncio.wait({task}, timeout=PATIENCE if len(slow) < MOST_ROUNDS else None)
        return task.result() if task.done() else 1

    async def _rest(self, kind: Kind) -> None:
        await _first(self._queue.wait(kind.value, self._queue.idle), self._stop.wait())

    async def _round(self, kind: Kind, transports: dict[str, Transport]) -> int:
        """One batch of each run that has due work. What one run meets does not hold the others up."""
        ledger, claimed = self._hands.ledger, 0
        for run in self._in_turn(await _tried(ledger.runnable.runnable(self._hands.clock.now()), ())):
            if not self.stopping and self._is_mine(run, kind):
                claimed += await _tried(self._run(run, transports), 0)
        return claimed

    def _in_turn(self, runs: Sequence[Run]) -> Sequence[Run]:
        """Each run is the first one to be asked now and then: else it would have all of a second's slots each time, and
        each time be the one whose mail tries a stopped lane."""
        first = int(self._hands.random.random() * len(runs))
        return [*runs[first:], *runs[:first]]

    def _is_mine(self, run: Run, kind: Kind) -> bool:
        return run.policy.kind is kind and (self._only in (None, run.id) or is_canary(run.stream))

    async def _run(self, run: Run, transports: dict[str, Transport]) -> int:
        """A batch of each pace that has due work: mail for a slow carrier keeps no other mail waiting."""
        batches = []
        for name in await self._hands.ledger.runnable.paces(run.id, self._hands.clock.now()):
            pace = Pace(name, self._paces.get(name, inf)) if name else None  # a table that is gone slows nobody down
            batches.append(await self._deliver(run, transports, pace))
        waiting = next((batch for batch in batches if not batch.claimed and batch.reason), Batch(0))
        if not is_canary(run.stream):
            self.waiting, self.waiting_until = waiting.reason, waiting.until
        return sum(batch.claimed for batch in batches)

    async def _deliver(self, run: Run, transports: dict[str, Transport], pace: Pace | None) -> Batch:
        """Through the first lane of the route that takes something now. Answers what the last one said."""

        async def take(name: str) -> Batch:
            transport = transports.get(name) or transports.setdefault(name, self._connect(name))
            return await deliver(run, self._allowances.lane(self._lanes[name]), transport, self._hands, pace)

        return await along(self._routes(run.stream), take)

    async def _sweep(self) -> None:
        """Heartbeat, dead workers, doubts, canaries, bells. The heartbeat is the last thing to go."""
        hands, nothing = self._hands, set[str]()
        while True:
            await _tried(hands.ledger.workers.beat(hands.worker, hands.clock.now()), None)
            await _tried(reap(hands.ledger, self._hosts, hands.clock, hands.step), None)
            silent = await _tried(sweep(hands.ledger, self._lanes, hands.clock), nothing)
            if self._canaries is not None:
                await _tried(self._canaries.fly(silent), None)
            await _tried(ring(hands.ledger, self._queue, hands.clock), None)
            await hands.clock.sleep(max(BEAT, self._queue.idle))  # where a look costs money, sweeps are as rare


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
