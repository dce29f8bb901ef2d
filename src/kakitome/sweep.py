"""What nobody else does: the claims of dead workers, expiry, doubts, and the bell for work that became due.

Every part is bounded, repeats harmlessly, and may run in many processes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from kakitome.core import decide
from kakitome.core.errors import StateError
from kakitome.core.evidence import NO_PROOF, Verdict, judge, residual
from kakitome.core.lane import Lane, is_canary
from kakitome.core.lifecycle import OPEN, Cause
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.messages import Doubt
from kakitome.ports.queue import Queue
from kakitome.ports.workers import Hosts, Reaped

MOST = 1_000
LOOKS = 8
"""A doubt is looked at this often within one horizon."""


async def reap(ledger: Ledger, hosts: Hosts, clock: Clock, step: Callable[[str], None] = lambda _: None) -> Reaped:
    """End the claims of workers of this host that are certainly gone. A restart so waits for no lease."""
    whole = Reaped()
    known = await ledger.workers.all()
    hosts.tidy([worker.id for worker in known])
    for worker in known:
        if not hosts.certainly_gone(worker):
            continue
        step("before_reap")
        reaped = await ledger.workers.reap(worker.id, hosts.marks_of(worker), clock.now())
        step("after_reap")
        hosts.forget(worker)
        whole = Reaped(whole.queued + reaped.queued, whole.sent + reaped.sent, whole.in_doubt + reaped.in_doubt)
    return whole


async def sweep(ledger: Ledger, lanes: Mapping[str, Lane], clock: Clock) -> set[str]:
    """Expire, end leases, look at doubts, close campaigns. Answers the lanes whose events are too old to judge a doubt
    by: something must be sent there for time to pass (`canary`)."""
    now = clock.now()
    while await ledger.sweeps.expire(MOST, now) == MOST:
        pass
    while await ledger.sweeps.lease_over(MOST, now) == MOST:
        pass
    silent = set()
    for doubt in await ledger.sweeps.doubts(MOST, now):
        if await _look(ledger, doubt, lanes.get(doubt.lane), now):
            silent.add(doubt.lane)
    await _close_campaigns(ledger, now)
    return silent


async def ring(ledger: Ledger, queue: Queue, clock: Clock) -> None:
    """One ring for each bell that has a run with due work: what a lost ticket told of, or what only time made due.
    Never message by message, nor run by run: whoever hears it asks the ledger for all of them."""
    for bell in sorted({run.policy.kind.value for run in await ledger.runnable.runnable(clock.now())}):
        await queue.ring(bell)


async def _close_campaigns(ledger: Ledger, now: int) -> None:
    """A running campaign in which nothing is open any more, and of whose lists nothing is missing, is done, whoever
    sent its last mail."""
    for run in await ledger.runs.list(live=True):
        if run.campaign and run.state == "running":
            rows = await ledger.reads.rows(run.id)
            if not rows["missing"] and not any(rows[state.word] for state in OPEN):
                with suppress(StateError):  # somebody paused it, or gave it more, a moment ago; its list is open
                    await ledger.runs.move(run.id, "done", "sweep", now)


async def _look(ledger: Ledger, doubt: Doubt, lane: Lane | None, now: int) -> bool:
    """Whether the lane has been silent since."""
    lane = lane or Lane(name=doubt.lane, account=doubt.lane)  # a lane that is configured no more proves nothing
    verdict, note, silent = await _evidence(ledger, doubt, lane, now)
    cause = decide.doubt(
        doubt.policy, doubt.resends, verdict, doubt.begun, doubt.since, lane.horizons, lane.provable, now
    )
    if cause is None:
        await ledger.sweeps.look_again([doubt.id], now + max(1, lane.horizons.quiet // LOOKS))
        return silent and not is_canary(doubt.stream)
    if cause is Cause.DEADLINE and not lane.provable:
        note = NO_PROOF
    await ledger.messages.resolve([doubt.id], cause, "sweep", note, now)
    if cause is Cause.DEADLINE and is_canary(doubt.stream):
        await ledger.messages.resolve([doubt.id], Cause.PERSON_CLOSED, "sweep", "Nobody waits for a canary.", now)
    return False


async def _evidence(ledger: Ledger, doubt: Doubt, lane: Lane, now: int) -> tuple[Verdict, str, bool]:
    """The verdict, its figures, and whether the lane's newest event is too old to say anything."""
    if not lane.provable or now < doubt.begun + lane.horizons.quiet:
        return Verdict.WAIT, "", False
    record = await ledger.sweeps.record(lane.name, doubt.begun, lane.horizons, now)
    verdict = judge(record, doubt.begun, lane.horizons.quiet)
    note = (
        f"{record.neighbours_seen} of {record.neighbours} neighbours and {record.streak_seen} of the last "
        f"{record.streak} acceptances have their event; "
    )
    if verdict is Verdict.NOT_ACCEPTED:
        return verdict, note + f"probability that it was accepted all the same: {100 * residual(record):.2g} %", False
    silent = record.latest is None or record.latest < doubt.begun + lane.horizons.quiet
    return verdict, note + "that is not enough to conclude anything.", silent
