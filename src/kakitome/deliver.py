"""The life of a message, from the queue to its outcome. Read it top to bottom.

    deliver     look, take slots, claim, render, hand over, settle
    _Wire       what must hold at the moment of the completing write
    _Ending     outcomes into the ledger, in batches

A named step (`step("…")`) is where a test may pull the plug.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import Random

from kakitome.core import decide
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.lane import Lane
from kakitome.core.message import Claimed, Run, Settlement
from kakitome.core.outcome import STOPS, Accepted, Breadth, Outcome, Released, Unavailable, Uncertain
from kakitome.core.pacing import Slots
from kakitome.core.policy import InDoubt, Kind
from kakitome.packing import packed
from kakitome.ports.accounts import Limits, Wanted
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.renderer import Renderer
from kakitome.ports.transport import Parcel, Transport
from kakitome.ports.workers import MarkKind, Marks

log = logging.getLogger("kakitome.deliver")

BATCH = 256
CHECK_LASTS = 1.0  # seconds; "at most 1 s before the completing write"
CHECK_AGAIN = 0.5
SETTLE_EVERY = {Kind.TRANSACTIONAL: 0.05, Kind.BULK: 1.0}  # seconds; until then the marks know the replies

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Hands:
    """What a worker works with."""

    worker: str
    ledger: Ledger
    renderer: Renderer
    marks: Marks
    clock: Clock
    random: Random
    step: Step
    stopping: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of one look: how many messages were claimed, and where nothing could be, when to look again and why."""

    claimed: int
    until: int = 0
    reason: str = ""


async def deliver(run: Run, lane: Lane, transport: Transport, hands: Hands) -> Batch:
    """Take one batch of the run through the lane, to its last settlement."""
    ledger, clock, step = hands.ledger, hands.clock, hands.step
    ids = await ledger.messages.due(run.id, _most(run, transport), clock.now())
    if not ids:
        return Batch(0)
    # Each span is taken from both clocks at one moment: a wall clock that jumps later moves no slot and no lease.
    asked_at, asked = clock.monotonic(), clock.now()
    wanted = Wanted(
        account=lane.account,
        lane=lane.name,
        limits=Limits(lane.rate, lane.quota),
        count=len(ids),
        transactional=run.policy.kind is Kind.TRANSACTIONAL,
    )
    grant = await ledger.accounts.slots(wanted, asked)
    if not grant.count:
        return Batch(0, grant.until, grant.reason)
    slots = [asked_at + (grant.slot(k) - asked) / 1000 for k in range(grant.count)]

    # The claim is the intent: it is durable before the first byte goes out.
    step("before_claim")
    claimed_at, now = clock.monotonic(), clock.now()
    lease = int(1000 * max(0.0, slots[-1] - claimed_at)) + lane.timeout + lane.margin
    claims = await ledger.messages.claim(ids[: grant.count], hands.worker, lane.name, now + lease, now)
    step("after_claim")
    wire = _Wire(slots if grant.spacing else None, claimed_at + lease / 1000, lane, hands)
    if claims:
        await _send(run, lane, claims, transport, wire, hands)
    if lane.quota is not None and wire.begun < grant.count:
        await ledger.accounts.give_back(lane.account, grant.count - wire.begun, asked)
    return Batch(len(claims))


def _most(run: Run, transport: Transport) -> int:
    """How many messages one look takes. Of what may never go twice, none waits in a worker's hands."""
    return min(BATCH, transport.capabilities.places) if run.policy.in_doubt is InDoubt.HOLD else BATCH


async def _send(
    run: Run, lane: Lane, claims: Sequence[Claimed], transport: Transport, wire: _Wire, hands: Hands
) -> None:
    """Render, hand over, settle. However it ends, each of the claims is settled."""
    ending = _Ending(run, lane, hands)
    unanswered = {claimed.id: claimed for claimed in claims}
    try:
        for claimed, made in zip(claims, await packed(run, claims, lane, hands.renderer), strict=True):
            if isinstance(made, Parcel):
                wire.take(claimed, made)
            else:
                ending.add(decide.unrenderable(unanswered.pop(claimed.id), made))
        hands.step("after_render")
        async with aclosing(transport.send(wire.parcels, wire)) as answers:
            async for index, outcome in answers:
                hands.step("after_reply")
                claimed = unanswered.pop(wire.parcels[index].message)
                place = wire.reply(index, outcome)
                await ending.outcome(claimed, wire.verdict(index, outcome), place)
    finally:
        # Whoever breaks a promise here (or is cut off) leaves nothing behind: what was begun is in doubt.
        wire.end()
        for claimed in unanswered.values():
            await ending.outcome(claimed, *wire.unanswered(claimed))
        await ending.flush()
    hands.step("after_batch")


class _Wire:
    """The permission to write, given parcel by parcel at the last moment."""

    def __init__(self, slots: Sequence[float] | None, lease_ends: float, lane: Lane, hands: Hands) -> None:
        """All in monotonic seconds. `slots` None: as soon as there is a place."""
        self.parcels: list[Parcel] = []
        self._claims: list[Claimed] = []
        self._hands = hands
        self._slots = None if slots is None else Slots(slots)
        self._latest_start = lease_ends - lane.timeout / 1000
        self._checked = float("-inf")
        self._withdrawn: dict[int, str] = {}
        self._places: dict[int, int] = {}
        self._checking = asyncio.Lock()
        self._is_over = False

    def take(self, claimed: Claimed, parcel: Parcel) -> None:
        self._claims.append(claimed)
        self.parcels.append(parcel)

    @property
    def begun(self) -> int:
        return len(self._places)

    def end(self) -> None:
        """Nothing begins any more: from here on the claims are settled, and may be somebody else's."""
        self._is_over = True

    async def ready(self, index: int) -> bool:
        return self._slot(index) is not None and await self._looked_at(index)

    async def turn(self, index: int) -> bool:
        clock = self._hands.clock
        while (slot := self._slot(index)) is not None and (wait := slot - clock.monotonic()) > 0:
            await clock.sleep(wait)  # again, where a timer fired early
        return slot is not None and await self._looked_at(index)

    def _slot(self, index: int) -> float | None:
        """When the parcel may begin. None, and it goes back, where no slot is left that one could still begin."""
        if self._slots is None:
            return float("-inf")
        slot = self._slots.take(index, self._hands.clock.monotonic())
        if slot is None:
            self._withdrawn.setdefault(index, "slot")
        return slot

    async def _looked_at(self, index: int) -> bool:
        async with self._checking:  # those who come while one looks need not look again
            if self._hands.clock.monotonic() - self._checked > CHECK_AGAIN:
                await self._check()
        return index not in self._withdrawn

    async def _check(self) -> None:
        """One read for all that are not on the wire yet. "An attempt starts" means this read."""
        began = self._hands.clock.monotonic()
        rest = {c.id: k for k, c in enumerate(self._claims) if k not in self._places and k not in self._withdrawn}
        pairs = [(self._claims[k].id, self._claims[k].fence) for k in rest.values()]
        stopped = await self._hands.ledger.messages.check(pairs, self._hands.clock.now())
        self._withdrawn.update({rest[id]: cause.value for id, cause in stopped.items()})
        self._checked = began
        self._hands.step("after_check")

    def begin(self, index: int) -> bool:
        claimed = self._claims[index]
        self._hands.step("before_mark")
        if (refusal := self._refusal(index, self._hands.clock.monotonic())) is not None:
            self._withdrawn[index] = refusal
            return False
        self._places[index] = self._hands.marks.mark(claimed.id, claimed.fence, self._hands.clock.now())
        self._hands.step("after_mark")
        return True

    def _refusal(self, index: int, now: float) -> str | None:
        if index in self._withdrawn:
            return self._withdrawn[index]
        if self._is_over or self._hands.stopping():
            return "stopping"
        if now > self._latest_start:
            return "lease"  # this process may have been stopped for an hour: somebody else decides by now
        if now - self._checked > CHECK_LASTS:
            return "check"
        if self._slots is not None and self._slots.missed(index, now):
            return "slot"
        return None

    def reply(self, index: int, outcome: Outcome) -> int | None:
        """Note the reply beside the mark, at once: the ledger hears of it a batch later. Answers the mark's place."""
        place = self._places.get(index)
        if place is not None and not isinstance(outcome, Uncertain):
            accepted = isinstance(outcome, Accepted)
            self._hands.marks.note(
                place,
                MarkKind.ACCEPTED if accepted else MarkKind.REFUSED,
                outcome.provider_message_id if isinstance(outcome, Accepted) else "",
            )
        return place

    def unanswered(self, claimed: Claimed) -> tuple[Outcome, int | None]:
        """The outcome of a claim for which nobody gave one."""
        place = next((place for index, place in self._places.items() if self._claims[index] is claimed), None)
        return (Released("not begun") if place is None else Uncertain("no_outcome")), place

    def verdict(self, index: int, outcome: Outcome) -> Outcome:
        """What the transport gave back unsent, with the reason that it cannot know."""
        if isinstance(outcome, Released) and index in self._withdrawn:
            return Released(self._withdrawn[index])
        return outcome


class _Ending:
    """Outcomes into the ledger, in batches; marks are cleared only behind the commit."""

    def __init__(self, run: Run, lane: Lane, hands: Hands) -> None:
        self._run = run
        self._lane = lane
        self._hands = hands
        self._settlements: list[Settlement] = []
        self._places: list[int] = []
        self._stopped: set[str] = set()
        self._flushed = hands.clock.monotonic()

    def add(self, settlement: Settlement, place: int | None = None) -> None:
        self._settlements.append(settlement)
        if place is not None:
            self._places.append(place)

    async def outcome(self, claimed: Claimed, outcome: Outcome, place: int | None) -> None:
        clock = self._hands.clock
        self.add(
            decide.settlement(claimed, outcome, self._run.policy, self._lane.horizons, clock.now(), self._hands.random),
            place,
        )
        if isinstance(outcome, Unavailable):
            await self._stop(outcome)
        if clock.monotonic() - self._flushed >= SETTLE_EVERY[self._run.policy.kind]:
            await self.flush()

    async def flush(self) -> None:
        if self._settlements:
            settlements, places = list(self._settlements), list(self._places)
            self._hands.step("before_settle")
            await self._written(lambda now: self._hands.ledger.messages.settle(settlements, now))
            self._hands.step("after_settle")
            # Only now: who is cut off while the ledger is slow settles again, and twice is as good as once.
            self._settlements, self._places = [], []
            self._hands.marks.clear(places)
        self._flushed = self._hands.clock.monotonic()

    async def _written(self, write: Callable[[int], Awaitable[object]]) -> None:
        """What is known must not be forgotten because the disk is full: ask until the ledger takes it."""
        while True:
            try:
                await write(self._hands.clock.now())
                return
            except LedgerUnavailable:
                await self._hands.clock.sleep(1.0)

    async def _stop(self, outcome: Unavailable) -> None:
        """The mail is not to blame: the lane or account stops, once, with the whole reply in the journal."""
        if outcome.reason in self._stopped:
            return
        self._stopped.add(outcome.reason)
        stop = STOPS[outcome.reason]
        gate = f"lane:{self._lane.name}" if stop.breadth is Breadth.LANE else f"account:{self._lane.account}"
        detail = outcome.reply.text if outcome.reply else ""
        until = outcome.until or self._hands.clock.now() + stop.pause_ms
        accounts = self._hands.ledger.accounts
        await self._written(lambda now: accounts.stop(gate, outcome.reason, until, detail, now))
