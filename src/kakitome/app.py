"""The composition root: the only place that knows all the parts, and puts them together by the configuration."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from kakitome import canary, guard
from kakitome.accept import Desk
from kakitome.alerting import watch_of
from kakitome.allowance import Allowances, Followed
from kakitome.bells import queue_of
from kakitome.bounces import bounce_doors
from kakitome.campaign import Office
from kakitome.config import Config, LaneTable, milliseconds, paces_of
from kakitome.core.cost import Price
from kakitome.core.errors import NotFound
from kakitome.core.ids import RunId
from kakitome.core.lane import Lane, canary_lane, is_canary
from kakitome.core.pacing import Paces
from kakitome.core.policy import InDoubt, Kind, Policy
from kakitome.doors import drains_of
from kakitome.errand import Ways
from kakitome.hands import Hands
from kakitome.hosts.clock import SystemClock
from kakitome.hosts.local import LocalHost
from kakitome.lanes import canaries_of, followed_of, lanes_of, points_of, prices_of, table_of, transport_of
from kakitome.mailing import Mailing
from kakitome.ports.clock import Clock
from kakitome.ports.figures import PointsSource
from kakitome.ports.queue import Queue
from kakitome.ports.transport import Transport
from kakitome.rendering.renderer import TemplateRenderer
from kakitome.rendering.stationery import Stationery
from kakitome.stores import Store, beside_of, folder_of, store_of
from kakitome.unsubscribe import Exit
from kakitome.worker import Worker

ALWAYS = {"transactional": Kind.TRANSACTIONAL, "bulk": Kind.BULK}
Step = Callable[[str], None]


def _no_step(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Instance:
    """One running Kakitome. `step` hears every named step of the protocol; tests pull the plug there."""

    config: Config
    ledger: Store
    queue: Queue
    host: LocalHost
    clock: Clock
    renderer: TemplateRenderer
    lanes: Mapping[str, Lane]
    folder: Path
    step: Step
    mailing: Mailing
    stationery: Stationery

    @property
    def nothing_leaves(self) -> bool:
        """Whether every lane is an outbox."""
        return all(self.table(name).provider == "outbox" for name in self.lanes)

    def table(self, lane: str) -> LaneTable:
        return table_of(self.config, lane)

    def policy(self, stream: str) -> Policy:
        table = self.config.streams.get(stream)
        if is_canary(stream):
            return canary.POLICY
        if table is None:
            if stream not in ALWAYS:
                known = ", ".join(sorted({*ALWAYS, *self.config.streams}))
                raise NotFound(f"There is no stream {stream!r}.", f"Streams here: {known}.")
            return Policy(kind=ALWAYS[stream])
        at = f"streams.{stream}"
        return Policy(
            kind=Kind(table.kind),
            in_doubt=InDoubt(table.in_doubt),
            attempts=table.attempts,
            first_delay=milliseconds(table.first_delay, f"{at}.first_delay"),
            longest_delay=milliseconds(table.longest_delay, f"{at}.longest_delay"),
            expires_after=milliseconds(table.expires_after, f"{at}.expires_after") if table.expires_after else None,
        )

    def sender(self, stream: str) -> str | None:
        table = self.config.streams.get(stream)
        return table.sender if table else None

    def route(self, stream: str) -> list[str]:
        if is_canary(stream):
            return [canary_lane(stream)]
        table = self.config.streams.get(stream)
        return (table.route if table and table.route else None) or list(self.lanes)[:1]

    def desk(self) -> Desk:
        return Desk(self.ledger, self.renderer, self.queue, self.clock, self._stream, self.step, self._paces())

    def _stream(self, name: str) -> tuple[Policy, str | None]:
        policy = self.policy(name)
        self.mailing.check_reachable(name)
        return policy, self.sender(name)

    def office(self, progress: Callable[[int], None] = lambda _: None, stream: str = "") -> Office:
        return Office(self.ledger, self.renderer.of(stream), self.clock, self.step, progress, self._paces())

    def _paces(self) -> Paces:
        return Paces(paces_of(self.config))

    def worker(self, only: RunId | None = None, random: Random | None = None) -> Worker:
        """A worker with its lock and marks taken; `run` it."""
        stopping: list[Worker] = []
        hands = self.hands(lambda: stopping[0].stopping, random)
        worker = Worker(
            hands,
            self.host,
            self.queue,
            self.lanes,
            self.route,
            self.transport,
            only,
            followed=self.followed(),
            paces=self._rates(),
            canaries=self.canaries(),
            beside=self.beside(),
        )
        stopping.append(worker)
        return worker

    def hands(self, stopping: Callable[[], bool], random: Random | None = None) -> Hands:
        """Those of a worker of a name of its own, with its lock and marks taken."""
        name = f"w-{self.clock.now():x}-{os.getpid()}-{secrets.token_hex(4)}"
        return Hands(
            worker=name,
            ledger=self.ledger,
            renderer=self.renderer,
            marks=self.host.begin(name),
            clock=self.clock,
            random=random or SystemRandom(),
            step=self.step,
            stopping=stopping,
        )

    def ways(self) -> Ways:
        """For errands, one after the other or at once."""
        allowances = Allowances(self.followed(), self.ledger, self.clock)
        return Ways(self.lanes, self.route, self.transport, allowances, self._rates())

    def canaries(self) -> canary.Canaries:
        return canary.Canaries(canaries_of(self.config), self.lanes, self.desk())

    def _rates(self) -> dict[str, float]:
        return {name: table.rate for name, table in self.config.pacing.items()}

    def beside(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What runs as long as a worker does, each in a task of its own. None of it may end with an error."""
        return [
            self._guard,
            watch_of(self.config, self.lanes, self.ledger, self.clock).run,
            *(drain.run for drain in drains_of(self.config, self.ledger, self.clock, self.step)),
            *bounce_doors(self.config, self.ledger, self.clock, self.folder, self.step),
            *beside_of(self.config, self.ledger, self.clock),
        ]

    async def _guard(self) -> None:
        every = milliseconds(self.config.guards.every, "guards.every") / 1000
        await guard.watch(self.ledger, self.mailing.rules, self.clock, every)

    def exit(self) -> Exit:
        """Where readers leave lists."""
        return Exit(self.ledger, self.stationery.signer, self.mailing.leaving, self.clock)

    def transport(self, lane: str) -> Transport:
        return transport_of(self.config, self.lanes[lane], self.folder, self.clock)

    def points(self) -> dict[str, PointsSource]:
        return points_of(self.config, self.lanes)

    def prices(self) -> dict[str, Price]:
        return prices_of(self.config)

    def followed(self) -> dict[str, Followed]:
        return followed_of(self.config, self.lanes, self.clock)


@asynccontextmanager
async def opened(config: Config, clock: Clock | None = None, step: Step = _no_step) -> AsyncIterator[Instance]:
    """Open everything that the configuration names, and close it at the end."""
    sys.setswitchinterval(0.0001)  # the ledger's thread must not wait 5 ms for a busy event loop
    clock = clock or SystemClock()
    folder = folder_of(config)
    queue = queue_of(config)
    ledger = await store_of(config, clock)
    mailing = Mailing(config)
    stationery = Stationery(mailing.letterhead, ledger.reads.hash_key, config.http.unsubscribe_key)
    try:
        yield Instance(
            config=config,
            ledger=ledger,
            queue=queue,
            host=LocalHost(folder / "workers"),
            clock=clock,
            renderer=TemplateRenderer(ledger.templates, ledger.messages, stationery),
            lanes=lanes_of(config),
            folder=folder,
            step=step,
            mailing=mailing,
            stationery=stationery,
        )
    finally:
        await queue.close()
        await ledger.close()
