"""The life of a message, from the queue to its outcome. Read it top to bottom.

    deliver     look, take slots, claim (`_take`); render, hand over, settle (`_send`)
    Permission  what must hold at the moment of the completing write (`wire.py`)
    _Ending     outcomes into the ledger, in batches

A named step (`step("…")`) is where a test may pull the plug.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import inf

import msgspec

from kakitome.core import decide
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import message_text
from kakitome.core.lane import Lane, is_canary
from kakitome.core.message import Claimed, Run, Settlement
from kakitome.core.outcome import Outcome, Released
from kakitome.core.pacing import Grant
from kakitome.core.policy import InDoubt, Kind
from kakitome.hands import Hands
from kakitome.packing import packed
from kakitome.ports.accounts import Limits, Pace, Wanted
from kakitome.ports.transport import Parcel, Transport
from kakitome.supply import Batch, Due, Supply
from kakitome.wire import More, Permission

log = logging.getLogger("kakitome.deliver")

BATCH = 256
PROBE_LASTS = 60_000  # ms; so long the others wait for the mail that tries whether a lane works again
SETTLE_EVERY = {Kind.TRANSACTIONAL: 0.05, Kind.BULK: 1.0}  # seconds; until then the marks know the replies


async def deliver(
    run: Run, lane: Lane, transport: Transport, hands: Hands, pace: Pace | None = None, supply: Supply | None = None
) -> Batch:
    """Take one batch of the run through the lane, to its last settlement: what is due, or what `supply` has. `pace` is
    that of the recipients' domains: one batch has only mails of one pace."""
    accounts = hands.ledger.accounts
    async with hands.claiming[run.policy.kind]:
        taken = await _take(run, lane, transport, hands, pace, supply or Due(run, hands, pace))
    if isinstance(taken, Batch):
        return taken
    grant, wire = taken.grant, taken.wire
    returned = 0
    if taken.claims:
        returned = await _send(run, lane, taken.claims, transport, wire, hands)
    if grant.probe and not wire.begun:
        await accounts.untried(lane.account, lane.name, taken.asked + taken.wanted.probe_ms)
    # Where only a rate is known yet, its slots are counted, too: the quota may be read behind them.
    if (lane.rate, lane.quota) != (None, None) and wire.spent < grant.count:
        await accounts.give_back(lane.account, grant.count - wire.spent, taken.asked)
    return Batch(len(taken.claims), returned=returned)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Claims, the permission to write them, and the slots that were asked for at `asked`."""

    claims: Sequence[Claimed]
    wire: Permission
    wanted: Wanted
    grant: Grant
    asked: int


async def _take(
    run: Run, lane: Lane, transport: Transport, hands: Hands, pace: Pace | None, supply: Supply
) -> Batch | _Taken:
    """Look, take slots, claim."""
    clock, tempo = hands.clock, hands.tempo
    count, nothing = await supply.look(lane, _most(run, transport, hands))
    if not count:
        return nothing
    # Each span is taken from both clocks at one moment: a wall clock that jumps later moves no slot and no lease.
    asked_at, asked = clock.monotonic(), clock.now()
    wanted = _wanted(run, lane, transport, count, pace, tempo.lead(count, count))
    grant = await hands.ledger.accounts.slots(wanted, asked)
    tempo.granted(clock.monotonic() - asked_at)
    if not grant.count:
        return Batch(0, grant.until, grant.reason)
    slots = [asked_at + (grant.slot(k) - asked) / 1000 for k in range(grant.count)]

    # The claim is the intent: it is durable before the first byte goes out.
    hands.step("before_claim")
    claimed_at, now = clock.monotonic(), clock.now()
    lease = int(1000 * max(0.0, slots[-1] - claimed_at)) + lane.timeout + lane.margin
    claims = await supply.claim(lane, grant.count, now + lease, now)
    tempo.claimed(grant.count, clock.monotonic() - claimed_at)
    hands.step("after_claim")
    times, more = slots if grant.spacing else None, _more(wanted, asked, hands)
    wire = Permission(times, claimed_at + lease / 1000, lane, hands, more, grant.probe, grant.group)
    return _Taken(claims, wire, wanted, grant, asked)


def _wanted(run: Run, lane: Lane, transport: Transport, count: int, pace: Pace | None, lead: float) -> Wanted:
    transactional = run.policy.kind is Kind.TRANSACTIONAL
    return Wanted(
        account=lane.account,
        lane=lane.name,
        limits=Limits(lane.rate, lane.quota, lane.reserve),
        count=count,
        transactional=transactional,
        pace=pace if pace is not None and pace.rate < inf else None,
        group=1 if transactional or run.policy.in_doubt is InDoubt.HOLD else transport.capabilities.group,
        probe=not lane.canary or is_canary(run.stream),
        probe_ms=min(PROBE_LASTS, lane.timeout + lane.margin),
        lead=int(1000 * lead),
    )


def _more(wanted: Wanted, granted: int, hands: Hands) -> More:
    """Asks for slots in the place of those that were granted then, and missed."""

    async def more(count: int) -> tuple[list[float], float | None]:
        began, now = hands.clock.monotonic(), hands.clock.now()
        lead = int(1000 * hands.tempo.lead(0, wanted.count))
        again = msgspec.structs.replace(wanted, count=count, instead=granted, lead=lead)
        try:
            grant = await hands.ledger.accounts.slots(again, now)
        except LedgerUnavailable:
            return [], None
        hands.tempo.granted(hands.clock.monotonic() - began)
        soon = began + (grant.until - now) / 1000 if grant.reason == "rate" else None
        return [began + (grant.slot(k) - now) / 1000 for k in range(grant.count)], soon

    return more


def _most(run: Run, transport: Transport, hands: Hands) -> int:
    """How many messages one look takes. Of what may never go twice, none waits in a worker's hands."""
    most = hands.tempo.most(BATCH)
    return min(most, transport.capabilities.places) if run.policy.in_doubt is InDoubt.HOLD else most


async def _send(
    run: Run, lane: Lane, claims: Sequence[Claimed], transport: Transport, wire: Permission, hands: Hands
) -> int:
    """Render, hand over, settle. However it ends, each of the claims is settled. Answers how many were not begun."""
    ending = _Ending(run, lane, wire, hands)
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
                await ending.outcome(claimed, wire.verdict(index, outcome), place, wire.parcels[index])
    finally:
        # Whoever breaks a promise here (or is cut off) leaves nothing behind: what was begun is in doubt.
        wire.end()
        for claimed in unanswered.values():
            await ending.outcome(claimed, *wire.unanswered(claimed))
        await ending.flush()
    hands.step("after_batch")
    return ending.released


class _Ending:
    """Outcomes into the ledger, in batches; marks are cleared only behind the commit."""

    def __init__(self, run: Run, lane: Lane, wire: Permission, hands: Hands) -> None:
        self._run = run
        self._lane = lane
        self._wire = wire
        self._hands = hands
        self._settlements: list[Settlement] = []
        self._places: list[int] = []
        self._stopped: set[str] = set()
        self.released = 0
        self._flushed = hands.clock.monotonic()

    def add(self, settlement: Settlement, place: int | None = None) -> None:
        self._settlements.append(settlement)
        if place is not None:
            self._places.append(place)

    async def outcome(
        self, claimed: Claimed, outcome: Outcome, place: int | None, parcel: Parcel | None = None
    ) -> None:
        clock = self._hands.clock
        self.released += isinstance(outcome, Released)
        self.add(
            decide.settlement(claimed, outcome, self._run.policy, self._lane.horizons, clock.now(), self._hands.random),
            place,
        )
        if parcel is None or not self._is_its_own(parcel, outcome):
            await self._heed(outcome)
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

    def _is_its_own(self, parcel: Parcel, outcome: Outcome) -> bool:
        """Whether a refusal of the lane's is this mail's own after all: then the others go on."""
        lane, hands, sender = self._lane.name, self._hands, parcel.content.sender.address
        now, run = hands.clock.monotonic(), self._run
        campaign = run.id if run.campaign else None
        if not hands.blame.is_its_own(lane, parcel.message, sender, outcome, self._wire.probing, now, campaign):
            return False
        whole = hands.blame.campaign_kept_off(lane, run.id, now) is not None
        what = f"campaign {run.name!r}" if whole else f"mail {message_text(parcel.message)}"
        if not (whole and self._wire.is_stopped):  # said once
            log.warning(
                "The lane %s refuses the %s from %s and takes others; it waits alone, or goes another way.",
                *(lane, what, sender),
            )
        if whole:
            self._wire.stop()
        return True

    async def _heed(self, outcome: Outcome) -> None:
        """What the outcome says of the lane. The mail is not to blame: the lane or account stops, once, with the whole
        reply in the journal, and what has not begun goes back at once: another lane may take it."""
        lane, accounts = self._lane, self._hands.ledger.accounts
        halt = self._hands.health.heard(lane, outcome, self._wire.probing, self._hands.clock.now())
        if halt is None:
            if self._wire.probing and not isinstance(outcome, Released):
                await self._written(lambda now: accounts.passed(lane.account, lane.name, now))
        elif halt.reason not in self._stopped:
            self._stopped.add(halt.reason)
            self._wire.stop()
            await self._written(
                lambda now: accounts.stop(halt.gate, halt.reason, halt.until, halt.detail, now, halt.doubling)
            )
