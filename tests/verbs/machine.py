"""A whole Kakitome in virtual time, whose workers die at any named step, before a provider that writes down what it
took. The provider's record is the judge: nothing of ours is asked whether it did well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any

import msgspec
from workshop import HOUR, SECOND, START, Slate, VirtualClock

from kakitome.accept import Desk, Handed, accept
from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.event import Event, EventKind
from kakitome.core.ids import Fence, MessageId
from kakitome.core.lane import Lane
from kakitome.core.lifecycle import OPEN, Cause, State
from kakitome.core.message import Admitted
from kakitome.core.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Released,
    Unavailability,
    Unavailable,
    Uncertain,
)
from kakitome.core.policy import Horizons, Policy
from kakitome.core.reply import Reply
from kakitome.core.submission import MessageRequest
from kakitome.deliver import deliver
from kakitome.hands import Hands
from kakitome.ingest import ingest
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.records import Suppression
from kakitome.ports.transport import Capabilities, Parcel, Wire
from kakitome.ports.workers import Mark, WorkerRecord
from kakitome.queues.embedded import EmbeddedQueue
from kakitome.rendering.renderer import TemplateRenderer
from kakitome.sweep import reap, sweep

LANE = Lane(
    name="ses",
    account="account",
    timeout=10 * SECOND,
    margin=5 * SECOND,
    provable=True,
    horizons=Horizons(quiet=60 * SECOND, neighbourhood=30 * SECOND),
)
STEPS = (
    *("before_claim", "after_claim", "after_render", "after_check", "before_mark", "after_mark", "after_reply"),
    *("before_settle", "after_settle", "after_batch", "before_reap", "after_reap", "before_fold", "after_fold"),
)
REPLIES = ("accept", "lose", "vanish", "refuse", "defer", "throttle")
DOUBT = {Cause.UNCERTAIN, Cause.WORKER_GONE_MARKED, Cause.LEASE_OVER}


class Killed(BaseException):
    """The process is gone. Nothing that it still tries to do happens."""


class Plug:
    """Kills at the n-th time of a step, and whatever the dead one still tries to do."""

    def __init__(self, step: str | None = None, times: int = 1) -> None:
        self._step = step
        self._left = times
        self.pulled = False

    def __call__(self, name: str) -> None:
        self._left -= name == self._step
        self.pulled = self.pulled or (name == self._step and self._left == 0)
        if self.pulled:
            raise Killed(name)


class Provider:
    """Takes mail, and tells of it: at once, late and twice, or never."""

    def __init__(self, clock: VirtualClock) -> None:
        self.record: Counter[MessageId] = Counter()
        self.untold: list[Event] = []
        self.script: list[str] = []
        self._clock = clock
        self._numbers = count(1)

    def take(self, parcel: Parcel) -> Outcome:
        reply = self.script.pop(0) if self.script else "accept"
        id = f"p-{next(self._numbers)}"
        if reply in ("accept", "lose"):
            self.record[parcel.message] += 1
            self.untold.append(self._event(id, parcel))
        said = Reply(code=450, text="450 no")
        answers: dict[str, Outcome] = {
            "accept": Accepted(id),
            "refuse": Rejected(said),
            "defer": Deferred(said),
            "throttle": Unavailable(Unavailability.THROTTLED),
        }
        return answers.get(reply, Uncertain("timeout"))

    def _event(self, id: str, parcel: Parcel) -> Event:
        return Event(
            key=f"event-{id}",
            kind=EventKind.SENT,
            at=START + round((self._clock.seconds - 1_000.0) * 1000),
            provider="ses",
            provider_message_id=id,
            recipient=parcel.recipient,
            message=parcel.correlation["kakitome_message"],
            attempt=parcel.correlation["kakitome_attempt"],
        )


class Hosts:
    """Locks and marks of one host: a slate outlives its worker."""

    def __init__(self) -> None:
        self.slates: dict[str, Slate] = {}
        self.dead: set[str] = set()

    def record(self, worker: str, now: int) -> WorkerRecord:
        return WorkerRecord(worker, "host", "boot", now)

    def certainly_gone(self, worker: WorkerRecord) -> bool:
        return worker.id in self.dead

    def marks_of(self, worker: WorkerRecord) -> Sequence[Mark] | None:
        slate = self.slates.get(worker.id)
        return None if slate is None else list(slate.places.values())

    def forget(self, worker: WorkerRecord) -> None:
        self.slates.pop(worker.id, None)

    def tidy(self, known: Collection[str]) -> None:
        for gone in [id for id in self.slates if id in self.dead and id not in known]:
            del self.slates[gone]


class Looks:
    """The ledger's messages, with what was withdrawn and what was looked at, in their order."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._order = count(1)
        self.looked: dict[tuple[MessageId, Fence], int] = {}
        self.withdrawn: dict[MessageId, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def check(self, claims: Sequence[tuple[MessageId, Fence]], now: int) -> dict[MessageId, Cause]:
        self.looked |= dict.fromkeys(claims, next(self._order))
        answer: dict[MessageId, Cause] = await self._inner.check(claims, now)
        return answer

    def withdraw(self, messages: Sequence[MessageId]) -> None:
        order = next(self._order)
        for message in messages:
            self.withdrawn.setdefault(message, order)

    def allowed(self, parcel: Parcel) -> bool:
        """Whether the last look at this attempt came before any word against it."""
        looked = self.looked[parcel.message, parcel.fence]
        return looked < self.withdrawn.get(parcel.message, looked + 1)


Op = tuple[Any, ...]


class Machine:
    """`channel`: "all" events come, in order, late and more than once; or "none" ever does."""

    def __init__(self, policy: Policy, channel: str) -> None:
        self.policy = policy
        self.channel = channel
        self.clock = VirtualClock()
        self.ledger = MemoryLedger()
        self.looks = Looks(self.ledger.messages)
        self.ledger.messages = self.looks  # type: ignore[assignment]
        self.renderer = TemplateRenderer(self.ledger.templates, self.ledger.messages)
        self.provider = Provider(self.clock)
        self.hosts = Hosts()
        self.acknowledged: list[MessageId] = []
        self.told: list[Event] = []
        self._workers = count(1)
        self._readers = count(1)
        self.alive: Hands | None = None
        self.meanwhile: list[Op] = []
        self.broken: list[str] = []

    async def take(self, op: Op) -> None:
        what, *rest = op
        await getattr(self, what)(*rest)

    # ── What happens ────────────────────────────────────────────────────────────────────────────────────────────────

    async def accept(self, n: int, expires: int | None = None) -> None:
        policy = msgspec.structs.replace(self.policy, expires_after=expires)
        desk = Desk(self.ledger, self.renderer, EmbeddedQueue(), self.clock, lambda _: (policy, "a@example.com"))
        mails = [
            MessageRequest(to=[f"r{next(self._readers)}@example.com"], subject="Hi", text="x", stream="one")
            for _ in range(n)
        ]
        for answer in await accept([Handed(mail) for mail in mails], desk):
            assert isinstance(answer, Admitted)
            self.acknowledged += answer.messages

    async def deliver(
        self, replies: Sequence[str] = (), crash: tuple[str, int] | None = None, meanwhile: Sequence[Op] = ()
    ) -> None:
        """One batch by the living worker; it dies where `crash` says. Before its second mail `meanwhile` happens."""
        run = await self.ledger.runs.find("stream:one")
        if run is None:
            return
        plug = Plug(*crash) if crash else Plug()
        hands = await self._worker(plug)
        self.provider.script, self.meanwhile = list(replies), list(meanwhile)
        try:
            await deliver(run, LANE, _Line(self), hands)
        except Killed:
            self.hosts.dead.add(hands.worker)
            self.alive = None
        self.provider.script, self.meanwhile = [], []

    async def _worker(self, plug: Plug) -> Hands:
        if self.alive is None:
            name = f"w{next(self._workers)}"
            self.hosts.slates[name] = Slate()
            await self.ledger.workers.begin(self.hosts.record(name, self.clock.now()))
            self.alive = Hands(
                worker=name,
                ledger=self.ledger,
                renderer=self.renderer,
                marks=self.hosts.slates[name],
                clock=self.clock,
                random=Random(1),
                step=lambda _: None,
                stopping=lambda: False,
            )
        await self.ledger.workers.beat(self.alive.worker, self.clock.now())
        return Hands(**{name: getattr(self.alive, name) for name in Hands.__slots__} | {"step": plug})

    async def torn(self) -> None:
        """The mark files of the dead cannot be read."""
        for gone in self.hosts.dead:
            self.hosts.slates.pop(gone, None)

    async def reap(self, crash: tuple[str, int] | None = None) -> None:
        with suppress(Killed):
            await reap(self.ledger, self.hosts, self.clock, Plug(*crash) if crash else Plug())

    async def sweep(self, seconds: float = 0) -> None:
        self.clock.pass_by(seconds)
        await sweep(self.ledger, {"ses": LANE}, self.clock)

    async def wait(self, seconds: float) -> None:
        self.clock.pass_by(seconds)

    async def jump(self, ms: int) -> None:
        self.clock.jump(ms)

    async def cancel(self, which: int) -> None:
        if self.acknowledged:
            id = self.acknowledged[which % len(self.acknowledged)]
            self.looks.withdraw(await self.ledger.messages.cancel([id], "aya", self.clock.now()))

    async def suppress(self, which: int) -> None:
        if self.acknowledged:
            id = self.acknowledged[which % len(self.acknowledged)]
            [view] = await self.ledger.reads.messages([id])
            assert view.address is not None
            hash = address_hash(await self.ledger.reads.hash_key(), canonical(parse_address(view.address)))
            new = Suppression(hash=hash, address=view.address, reason="asked")
            await self.ledger.suppressions.add([new], self.clock.now())
            self.looks.withdraw([id])

    async def events(self, n: int, again: int = 0, crash: tuple[str, int] | None = None) -> None:
        """The next `n` events come, and `again` old ones once more. Where nobody answered for them they come again."""
        if self.channel == "none":
            return
        batch = [*self.provider.untold[:n], *self.told[:again]]
        try:
            await ingest(batch, self.ledger, self.clock, Plug(*crash) if crash else Plug())
        except Killed:
            return
        self.told += self.provider.untold[:n]
        del self.provider.untold[:n]

    # ── The judge ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def drain(self) -> None:
        """Everybody does what is left to do, and the provider says yes to everything."""
        for _ in range(40):
            await self.reap()
            await self.deliver()
            await self.events(1_000)
            await self.sweep(LANE.horizons.quiet / 1000)
            views = await self.ledger.reads.messages(self.acknowledged)
            if all(view.state not in OPEN for view in views):
                return
            self.clock.pass_by(1)

    async def judge(self) -> None:
        """What must be true of every walk; its names are those of the design."""
        views = {view.id: view for view in await self.ledger.reads.messages(self.acknowledged)}
        record = self.provider.record
        entries = await self.ledger.journal.read(0, 1_000_000)
        doubted = {e.message for e in entries if e.kind in DOUBT}
        assert set(views) == set(self.acknowledged), "an acknowledged message is gone"
        assert not [v for v in views.values() if v.state in OPEN], "a message is stuck"
        assert not [id for id, v in views.items() if v.state is State.SENT and not record[id]], (
            "sent, and nobody has it"
        )
        assert not [id for id, n in record.items() if n > 1 and id not in doubted], "a copy without a recorded doubt"
        assert not [id for id, n in record.items() if n > 2], "more than one resend"
        assert self.broken == []
        if self.policy.in_doubt != "resend":
            assert not [id for id, n in record.items() if n > 1], "never twice"
        assert await self.ledger.reads.verify() == []


class _Line:
    """The way to the provider: one place."""

    capabilities = Capabilities(places=3, events=True, envelope_differs=True, raw=True, timeout=10.0)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        machine = self._machine
        for index, parcel in enumerate(parcels):
            going = await wire.ready(index)
            if index == 1:
                for op in machine.meanwhile:
                    await machine.take(op)
            if not (going and await wire.turn(index) and wire.begin(index)):
                yield index, Released("withdrawn")
                continue
            if not machine.looks.allowed(parcel):
                machine.broken.append(f"{parcel.message} was written after a word against it")
            yield index, machine.provider.take(parcel)

    async def close(self) -> None:
        return None


Make = Callable[[], Machine]
__all__ = ["HOUR", "LANE", "REPLIES", "STEPS", "Machine", "Op"]
