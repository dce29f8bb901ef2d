"""Where the verbs are tried: a ledger in memory, a clock that moves when it is told to, marks one can look at, and a
provider that answers as it is told. Nothing sleeps and nothing is sent.

Everything that happens is written into one `log`, in its order: that is how "before" and "after" are asserted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from random import Random
from typing import Any

import msgspec

from kakitome.accept import Desk, Handed, accept
from kakitome.blame import Blame
from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.errors import NotFound
from kakitome.core.ids import Fence, MessageId
from kakitome.core.lane import Lane
from kakitome.core.lifecycle import State
from kakitome.core.message import Admitted, AttemptView, Claimed, Entry, MessageView, Run
from kakitome.core.outcome import Accepted, Outcome, Released
from kakitome.core.policy import Policy
from kakitome.core.submission import MessageRequest
from kakitome.deliver import deliver
from kakitome.hands import Hands
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.records import Suppression
from kakitome.ports.transport import Capabilities, Parcel, Wire
from kakitome.ports.workers import Mark, MarkKind
from kakitome.queues.embedded import EmbeddedQueue
from kakitome.rendering.renderer import TemplateRenderer
from kakitome.supply import Batch

START = 1_800_000_000_000
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
LANE = Lane(name="ses", account="account", timeout=10 * SECOND, margin=5 * SECOND, provable=True)
PACED = msgspec.structs.replace(LANE, rate=10.0)


class VirtualClock:
    """A wall clock and a monotonic one. Both move by sleeping; `jump` sets the wall clock, `pass_by` is time that
    passes while nobody looks (a SIGSTOP, a slow disk)."""

    def __init__(self) -> None:
        self.wall = START
        self.seconds = 1_000.0
        self.slept: list[float] = []

    def now(self) -> int:
        return round(self.wall)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)
        await asyncio.sleep(0)

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += round(seconds * 1000)

    def jump(self, ms: int) -> None:
        self.wall += ms


class Slate:
    """Marks in a dictionary: what a mapped file keeps for a worker that is killed."""

    def __init__(self, log: Callable[[str, MessageId], None] = lambda *_: None) -> None:
        self.places: dict[int, Mark] = {}
        self._log = log

    def mark(self, message: MessageId, fence: Fence, now: int) -> int:
        place = next(n for n in range(10_000) if n not in self.places)
        self.places[place] = Mark(message, fence, MarkKind.ON_THE_WIRE)
        self._log("mark", message)
        return place

    def note(self, place: int, kind: MarkKind, provider_id: str = "") -> None:
        known = self.places[place]
        self.places[place] = Mark(known.message, known.fence, kind, provider_id)
        self._log(f"note {kind.name.lower()}", known.message)

    def clear(self, places: Sequence[int]) -> None:
        for place in places:
            self._log("clear", self.places.pop(place).message)


Answer = Callable[[Parcel], Outcome]
Between = Callable[[int], Awaitable[None]]


def yes(parcel: Parcel) -> Outcome:
    return Accepted(f"p-{parcel.message}-{parcel.fence}")


async def nothing(_: int) -> None:
    """Nothing happens meanwhile."""


class Scripted:
    """A transport with one place. `answer` is the provider; `before_turn` and `before_begin` are what happens in the
    world just before the wire is asked."""

    def __init__(self, shop: Workshop, answer: Answer = yes, places: int = 1) -> None:
        self.answer = answer
        self.before_turn: Between = nothing
        self.before_begin: Between = nothing
        self.written: list[Parcel] = []
        self.begun_at: list[float] = []
        self.capabilities = Capabilities(places=places, events=True, envelope_differs=True, raw=True, timeout=10.0)
        self._shop = shop

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        for index, parcel in enumerate(parcels):
            yield index, await self._one(index, parcel, wire)

    async def _one(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        if not await wire.ready(index):
            return Released("withdrawn")
        await self.before_turn(index)
        if not await wire.turn(index):
            return Released("withdrawn")
        await self.before_begin(index)
        if not wire.begin(index):
            return Released("withdrawn")
        self._shop.noted("write", parcel.message)
        self.begun_at.append(self._shop.clock.monotonic())
        self.written.append(parcel)
        return self.answer(parcel)

    async def close(self) -> None:
        self._shop.log.append("close")


class Watched:
    """The ledger's messages, with the calls written into the log; `trouble` is raised by the method of that name."""

    def __init__(self, inner: Any, log: list[str]) -> None:
        self._inner = inner
        self._log = log
        self.trouble: dict[str, list[BaseException]] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*args: Any, **named: Any) -> Any:
            if waiting := self.trouble.get(name):
                self._log.append(f"{name} fails")
                raise waiting.pop(0)
            self._log.append(name)
            return await method(*args, **named)

        return call


class Workshop:
    """One stream, one lane, one worker."""

    def __init__(self, policy: Policy | None = None, lane: Lane = LANE, answer: Answer = yes) -> None:
        self.log: list[str] = []
        self.clock = VirtualClock()
        self.policy = policy or Policy()
        self.lane = lane
        self.ledger = MemoryLedger()
        self.watched = Watched(self.ledger.messages, self.log)
        self.book = self.ledger.messages._book
        self.ledger.messages = self.watched  # type: ignore[assignment]
        self.renderer = TemplateRenderer(self.ledger.templates, self.ledger.messages)
        self.slate = Slate(self.noted)
        self.transport = Scripted(self, answer)
        self.queue = EmbeddedQueue()
        self.stopping = False
        self.blame = Blame()
        self.at_step: Callable[[str], None] = lambda _: None
        self.numbers: dict[MessageId, int] = {}

    @property
    def hands(self) -> Hands:
        return Hands(
            worker="w1",
            ledger=self.ledger,
            renderer=self.renderer,
            marks=self.slate,
            clock=self.clock,
            random=Random(1),
            step=lambda name: self.at_step(name),
            stopping=lambda: self.stopping,
            blame=self.blame,
        )

    def noted(self, what: str, message: MessageId) -> None:
        self.log.append(f"{what} {self.numbers[message]}")

    def stream_of(self, name: str) -> tuple[Policy, str | None]:
        if name == "unknown":
            raise NotFound(f"There is no stream {name!r}.")
        return self.policy, None

    @property
    def desk(self) -> Desk:
        return Desk(self.ledger, self.renderer, self.queue, self.clock, self.stream_of)

    async def mail(self, n: int = 1, **fields: Any) -> list[MessageId]:
        """Hand in `n` mails, to reader-1@example.com and so on."""
        ids: list[MessageId] = []
        for _ in range(n):
            number = len(self.numbers) + 1
            values = {"sender": "a@example.com", "to": [f"reader-{number}@example.com"], "subject": "Hi", "text": "x"}
            [answer] = await accept([Handed(MessageRequest(**(values | fields)))], self.desk)
            if not isinstance(answer, Admitted):
                raise answer
            for message in answer.messages:
                self.numbers[message] = len(self.numbers) + 1
            ids += answer.messages
        return ids

    def store(self, message: MessageId, content: bytes) -> None:
        """Put something else in the place of what was handed in."""
        submission = self.book.messages[message].submission
        assert submission is not None
        self.book.submissions[submission].content = content

    async def run(self) -> Run:
        found = await self.ledger.runs.find("stream:transactional")
        assert found is not None
        return found

    async def deliver(self) -> Batch:
        self.log.clear()
        return await deliver(await self.run(), self.lane, self.transport, self.hands)

    async def suppress(self, address: str) -> None:
        hash = address_hash(await self.ledger.reads.hash_key(), canonical(parse_address(address)))
        await self.ledger.suppressions.add([Suppression(hash=hash, address=address, reason="asked")], self.clock.now())

    async def views(self, ids: Sequence[MessageId]) -> list[MessageView]:
        return await self.ledger.reads.messages(ids)

    async def states(self, ids: Sequence[MessageId]) -> list[State]:
        return [view.state for view in await self.views(ids)]

    async def attempts(self, ids: Sequence[MessageId]) -> list[AttemptView]:
        return await self.ledger.reads.attempts(ids)

    async def claim(self, ids: Sequence[MessageId], worker: str = "w1") -> list[Claimed]:
        now = self.clock.now()
        lease = now + self.lane.timeout + self.lane.margin
        return await self.ledger.messages.claim(ids, worker, self.lane.name, lease, now)

    async def journal(self, kind: str) -> list[Entry]:
        return [entry for entry in await self.ledger.journal.read(0, 100_000) if entry.kind == kind]
