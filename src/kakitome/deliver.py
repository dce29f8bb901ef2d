"""The life of a message, from the queue to its outcome. Read it top to bottom.

    deliver     look, take slots, claim, render, hand over, settle
    _Wire       what must hold at the moment of the completing write
    _Ending     outcomes into the ledger, in batches

A named step (`step("…")`) is where a test may pull the plug.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from kakitome.core import decide
from kakitome.core.address import parse_address
from kakitome.core.content import Content
from kakitome.core.errors import KakitomeError, LedgerUnavailable
from kakitome.core.ids import message_text
from kakitome.core.lane import Lane
from kakitome.core.message import Claimed, Run, Settlement
from kakitome.core.mime import message_id_for, mime
from kakitome.core.outcome import STOPS, Accepted, Breadth, Outcome, Released, Unavailable, Uncertain
from kakitome.core.pacing import LATEST_MS, Grant
from kakitome.core.policy import Kind
from kakitome.ports.accounts import Limits
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.renderer import Renderer
from kakitome.ports.transport import Parcel, Transport
from kakitome.ports.workers import MarkKind, Marks

BATCH = 256
BREATH = 16  # mails that are made without a pause: a request to this process waits a millisecond or two, not thirty
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
    ids = await ledger.messages.due(run.id, BATCH, clock.now())
    if not ids:
        return Batch(0)
    limits = Limits(lane.rate, lane.quota)
    grant = await ledger.accounts.slots(lane.account, lane.name, limits, len(ids), clock.now())
    if not grant.count:
        return Batch(0, grant.until, grant.reason)

    # The claim is the intent: it is durable before the first byte goes out.
    step("before_claim")
    claimed_at, now = clock.monotonic(), clock.now()
    lease = int(max(grant.slot(grant.count - 1), now)) + lane.timeout + lane.margin
    claims = await ledger.messages.claim(ids[: grant.count], hands.worker, lane.name, lease, now)
    step("after_claim")
    if not claims:
        return Batch(0)

    ending = _Ending(run, lane, hands)
    contents = await hands.renderer.render(run, claims)
    parcels, packed = await _pack(claims, contents, lane, ending)
    step("after_render")

    wire = _Wire(packed, grant, claimed_at + (lease - now) / 1000, lane, hands)
    unanswered = set(range(len(packed)))
    try:
        async with aclosing(transport.send(parcels, wire)) as answers:
            async for index, outcome in answers:
                step("after_reply")
                unanswered.discard(index)
                place = wire.reply(index, outcome)
                await ending.outcome(packed[index], wire.verdict(index, outcome), place)
    finally:
        # A transport that breaks its promise (or is cut off) leaves nothing behind: what was begun is in doubt.
        for index in unanswered:
            await ending.outcome(packed[index], *wire.unanswered(index))
        await ending.flush()
    step("after_batch")
    return Batch(len(claims))


async def _pack(
    claims: Sequence[Claimed], contents: Sequence[Content | KakitomeError], lane: Lane, ending: _Ending
) -> tuple[list[Parcel], list[Claimed]]:
    """Contents into bytes. What cannot be made is settled as unrenderable; the others do not wait for it."""
    parcels, packed = [], []
    for index, (claimed, content) in enumerate(zip(claims, contents, strict=True)):
        if index % BREATH == 0:
            await asyncio.sleep(0)
        try:
            if isinstance(content, KakitomeError):
                raise content
            parcels.append(_parcel(claimed, content, lane))
        except KakitomeError as error:
            ending.add(decide.unrenderable(claimed, error))
        else:
            packed.append(claimed)
    return parcels, packed


def _parcel(claimed: Claimed, content: Content, lane: Lane) -> Parcel:
    sender = parse_address(lane.sender or content.sender.address, allow_local_domain=True)
    public = message_text(claimed.id)
    return Parcel(
        message=claimed.id,
        fence=claimed.fence,
        sender=sender.envelope,
        recipient=parse_address(claimed.address, allow_local_domain=True).envelope,
        content=content,
        raw=mime(
            content,
            message_id=message_id_for(public, sender.domain),
            date=datetime.fromtimestamp(claimed.first_claimed / 1000, UTC),
        ),
        correlation={"kakitome_message": public, "kakitome_attempt": str(claimed.fence)},
    )


class _Wire:
    """The permission to write, given parcel by parcel at the last moment."""

    def __init__(self, claims: Sequence[Claimed], grant: Grant, lease_ends: float, lane: Lane, hands: Hands) -> None:
        self._claims = claims
        self._lane = lane
        self._hands = hands
        self._latest_start = lease_ends - lane.timeout / 1000  # monotonic: a clock that jumps moves no deadline
        now, mono = hands.clock.now(), hands.clock.monotonic()
        self._slots = [mono + (grant.slot(k) - now) / 1000 for k in range(len(claims))] if grant.spacing else None
        self._checked = float("-inf")
        self._withdrawn: dict[int, str] = {}
        self._places: dict[int, int] = {}
        self._checking = asyncio.Lock()

    async def ready(self, index: int) -> bool:
        async with self._checking:  # those who come while one looks need not look again
            if self._hands.clock.monotonic() - self._checked > CHECK_AGAIN:
                await self._check()
        return index not in self._withdrawn

    async def turn(self, index: int) -> bool:
        clock = self._hands.clock
        if self._slots is not None and (wait := self._slots[index] - clock.monotonic()) > 0:
            await clock.sleep(wait)
        return await self.ready(index)

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
        if self._hands.stopping():
            return "stopping"
        if now > self._latest_start:
            return "lease"  # this process may have been stopped for an hour: somebody else decides by now
        if now - self._checked > CHECK_LASTS:
            return "check"
        if self._slots is not None and now - self._slots[index] > LATEST_MS / 1000:
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

    def unanswered(self, index: int) -> tuple[Outcome, int | None]:
        """The outcome of a parcel for which the transport gave none."""
        place = self._places.get(index)
        return (Released("transport") if place is None else Uncertain("no_outcome")), place

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
        if isinstance(outcome, Unavailable):
            await self._stop(outcome)
        self.add(
            decide.settlement(claimed, outcome, self._run.policy, self._lane.horizons, clock.now(), self._hands.random),
            place,
        )
        if clock.monotonic() - self._flushed >= SETTLE_EVERY[self._run.policy.kind]:
            await self.flush()

    async def flush(self) -> None:
        if self._settlements:
            settlements, places = self._settlements, self._places
            self._settlements, self._places = [], []
            self._hands.step("before_settle")
            await self._settle(settlements)
            self._hands.step("after_settle")
            self._hands.marks.clear(places)
        self._flushed = self._hands.clock.monotonic()

    async def _settle(self, settlements: list[Settlement]) -> None:
        """What is known must not be forgotten because the disk is full: ask until the ledger takes it."""
        while True:
            try:
                await self._hands.ledger.messages.settle(settlements, self._hands.clock.now())
                return
            except LedgerUnavailable:
                await self._hands.clock.sleep(1.0)

    async def _stop(self, outcome: Unavailable) -> None:
        """The mail is not to blame: the lane or account stops, once, with the whole reply in the journal."""
        if outcome.reason in self._stopped:
            return
        self._stopped.add(outcome.reason)
        stop = STOPS[outcome.reason]
        now = self._hands.clock.now()
        gate = f"lane:{self._lane.name}" if stop.breadth is Breadth.LANE else f"account:{self._lane.account}"
        detail = outcome.reply.text if outcome.reply else ""
        until = outcome.until or now + stop.pause_ms
        await self._hands.ledger.accounts.stop(gate, outcome.reason, until, detail, now)
