"""What nobody else does: the claims of the dead, expiry, doubts, and campaigns that are done."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from itertools import count

import msgspec
import pytest
from workshop import HOUR, LANE, SECOND, START, VirtualClock

from kakitome.core.lane import Lane
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Claimed
from kakitome.core.policy import Horizons, InDoubt, Policy
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportRow
from kakitome.ports.workers import Mark, MarkKind, Reaped, WorkerRecord
from kakitome.sweep import reap, sweep
from kakitome.testing.ledger_world import World

HORIZONS = Horizons(quiet=60 * SECOND, neighbourhood=30 * SECOND)
SES = msgspec.structs.replace(LANE, horizons=HORIZONS)
BLIND = Lane(name="smtp", account="other", horizons=HORIZONS)
LANES = {"ses": SES, "smtp": BLIND}
_numbers = count(1)


class Watch(World):
    """A world with a sweeper. `at` is the time of its clock."""

    def __init__(self) -> None:
        super().__init__(MemoryLedger())
        self.clock = VirtualClock()

    async def doubt(self, in_doubt: InDoubt, lane: str = "ses", resends: int = 0) -> Claimed:
        """A message of such a stream of whose newest attempt no reply came."""
        run = (await self.ledger.runs.stream(in_doubt, Policy(in_doubt=in_doubt), self.now)).id
        [id] = await self.admit(f"doubt-{next(_numbers)}@example.jp", run=run)
        [claimed] = await self.claim(id, lane=lane)
        await self.settle(claimed, Cause.UNCERTAIN, due=self.now)
        for _ in range(resends):
            await self.resolve(id, Cause.POLICY_RESEND)
            [claimed] = await self.claim(id, lane=lane)
            await self.settle(claimed, Cause.UNCERTAIN, due=self.now)
        return claimed

    async def neighbours(self, n: int, heard: bool = True) -> None:
        """Attempts that were accepted by reply now, with their events or without."""
        for _ in range(n):
            [claimed] = await self.claim(*await self.admit(f"near-{next(_numbers)}@example.jp"))
            await self.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{claimed.id}")
            if heard:
                await self.fold(self.event(of=claimed))

    async def sweep(self, seconds: float = 0) -> None:
        self.now += round(seconds * 1000)
        self.clock.wall = self.now
        await sweep(self.ledger, LANES, self.clock)

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.journal()]


def sweeping(body: object) -> object:
    """A test that is a coroutine over a `Watch`."""

    def test() -> None:
        asyncio.run(body(Watch()))  # type: ignore[operator]

    test.__name__, test.__doc__ = body.__name__, body.__doc__  # type: ignore[attr-defined]
    return test


# ── Doubts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@sweeping
async def test_resend_goes_back_to_the_queue_at_once(w: Watch) -> None:
    """Better twice than never."""
    claimed = await w.doubt(InDoubt.RESEND)
    await w.sweep()
    assert await w.state(claimed.id) is State.QUEUED


@sweeping
async def test_resend_happens_once(w: Watch) -> None:
    """The second doubt is a person's, after its time."""
    claimed = await w.doubt(InDoubt.RESEND, resends=1)
    await w.sweep()
    assert await w.state(claimed.id) is State.IN_DOUBT
    await w.sweep(4 * 60)
    assert await w.state(claimed.id) is State.UNRESOLVED


@sweeping
async def test_complete_events_past_the_horizon_send_again(w: Watch) -> None:
    """Twenty neighbours heard of, and an event from beyond the horizon: the note has the figures."""
    claimed = await w.doubt(InDoubt.EVIDENCE)
    await w.neighbours(20)
    w.now += 61 * SECOND
    await w.neighbours(1)
    w.now += 2 * SECOND
    await w.sweep()
    assert await w.state(claimed.id) is State.QUEUED
    note = next(e.data["note"] for e in await w.journal() if e.kind == Cause.SILENCE)
    assert note.startswith("20 of 20 neighbours and 20 of the last 20 acceptances have their event; probability")
    assert "1.8 %" in note


@sweeping
async def test_no_event_past_the_horizon_no_resend(w: Watch) -> None:
    """Time passes only as the event stream shows it: a silent stream may just be late."""
    claimed = await w.doubt(InDoubt.EVIDENCE)
    await w.neighbours(20)
    await w.sweep(120)
    assert await w.state(claimed.id) is State.IN_DOUBT


@sweeping
async def test_one_neighbour_that_is_not_heard_of_keeps_the_doubt(w: Watch) -> None:
    """If one event was lost, so may this one have been."""
    claimed = await w.doubt(InDoubt.EVIDENCE)
    await w.neighbours(25)
    await w.neighbours(1, heard=False)
    w.now += 61 * SECOND
    await w.neighbours(1)
    await w.sweep(2)
    assert await w.state(claimed.id) is State.IN_DOUBT


@sweeping
async def test_before_the_horizon_nobody_looks(w: Watch) -> None:
    """However complete the events are: its own may still be under way."""
    claimed = await w.doubt(InDoubt.EVIDENCE)
    await w.neighbours(30)
    await w.sweep(59.9)
    assert await w.state(claimed.id) is State.IN_DOUBT


@sweeping
async def test_hold_waits_for_proof_and_then_for_a_person(w: Watch) -> None:
    """Never by silence."""
    claimed = await w.doubt(InDoubt.HOLD)
    await w.neighbours(20)
    w.now += 61 * SECOND
    await w.neighbours(1)
    await w.sweep(2)
    assert await w.state(claimed.id) is State.IN_DOUBT
    await w.sweep(4 * 60)
    assert await w.state(claimed.id) is State.UNRESOLVED
    await w.fold(w.event(of=claimed))
    assert await w.state(claimed.id) is State.SENT


@sweeping
async def test_without_evidence_the_deadline_is_four_horizons(w: Watch) -> None:
    """One millisecond before it the doubt is open."""
    claimed = await w.doubt(InDoubt.EVIDENCE)
    await w.sweep(4 * 60 - 0.001)
    assert await w.state(claimed.id) is State.IN_DOUBT
    await w.sweep(60)
    assert await w.state(claimed.id) is State.UNRESOLVED


@pytest.mark.parametrize("lane", ["smtp", "gone"])
@pytest.mark.parametrize("in_doubt", [InDoubt.EVIDENCE, InDoubt.HOLD])
def test_where_nothing_can_be_proved_a_person_decides_at_once(lane: str, in_doubt: InDoubt) -> None:
    """A lane without events, or one that is configured no more; the note says so."""

    async def run() -> None:
        w = Watch()
        claimed = await w.doubt(in_doubt, lane)
        await w.sweep()
        assert await w.state(claimed.id) is State.UNRESOLVED
        note = next(e.data["note"] for e in await w.journal() if e.kind == Cause.DEADLINE)
        assert "No proof is possible" in note

    asyncio.run(run())


@sweeping
async def test_an_open_doubt_is_looked_at_again_within_its_horizon(w: Watch) -> None:
    """Eight times in it, not every second."""
    await w.doubt(InDoubt.EVIDENCE)
    await w.sweep()
    assert await w.ledger.sweeps.doubts(10, w.now + 7_499) == []
    assert len(await w.ledger.sweeps.doubts(10, w.now + 7_500)) == 1


# ── Expiry, leases, campaigns ───────────────────────────────────────────────────────────────────────────────────────


@sweeping
async def test_queued_mail_expires_on_a_stopped_lane_too(w: Watch) -> None:
    """Nobody claims it there; the sweeper ends it all the same, and more than a thousand at a time."""
    ids = await w.admit(*(f"{n}@example.jp" for n in range(1_001)), expires=w.now + SECOND)
    await w.ledger.accounts.stop("lane:ses", "paused", None, "", w.now)
    await w.sweep(1)
    assert {view.state for view in await w.ledger.reads.messages(ids)} == {State.EXPIRED}


@sweeping
async def test_a_lease_that_is_over_is_a_doubt_and_never_the_queue(w: Watch) -> None:
    """Whoever had it may be stopped, and still write."""
    claimed = await w.one()
    await w.sweep(HOUR / 1000)
    assert await w.state(claimed.id) is State.IN_DOUBT


@sweeping
async def test_a_worker_that_is_silent_for_a_minute_leaves_doubts(w: Watch) -> None:
    """Its heartbeat is old, its lease is not over."""
    await w.begin("w1")
    claimed = await w.one()
    await w.sweep(59.9)
    assert await w.state(claimed.id) is State.SENDING
    await w.sweep(0.1)
    assert await w.state(claimed.id) is State.IN_DOUBT


@sweeping
async def test_a_campaign_with_nothing_open_is_done(w: Watch) -> None:
    """Whoever sent its last mail; what is paused or in doubt stays as it is."""
    done, doubtful, paused = [await w.campaign("a@example.jp", name=name) for name in ("done", "doubt", "paused")]
    for run, cause in ((done, Cause.PROVIDER_ACCEPTED), (doubtful, Cause.UNCERTAIN), (paused, Cause.REJECTED)):
        [claimed] = await w.claim(*await w.ledger.messages.due(run, 9, w.now))
        await w.settle(claimed, cause, due=w.now + HOUR)
    await w.move(paused, "paused")
    await w.sweep()
    assert [(await w.run(run)).state for run in (done, doubtful, paused)] == ["done", "running", "paused"]


@sweeping
async def test_a_campaign_is_done_when_its_list_is_closed(w: Watch) -> None:
    """Not while rows of it are missing, nor before somebody has said that no more come."""
    run = await w.open()
    await w.ledger.rows.expect(run, "list", 1, w.now)
    await w.sweep(1)
    assert (await w.run(run)).state == "running"
    row = ImportRow(0, "a@example.jp", 1, "{}")
    [claimed] = (await w.ledger.rows.take(run, "list", [row], Claiming("w1", "ses", w.now + HOUR), w.now, w.now)).claims
    await w.settle(claimed, Cause.PROVIDER_ACCEPTED)
    await w.sweep(1)
    assert (await w.run(run)).state == "running"
    await w.ledger.rows.close(run, "list", w.now)
    await w.sweep(1)
    assert (await w.run(run)).state == "done"


@sweeping
async def test_a_stream_is_never_done(w: Watch) -> None:
    """It is endless: there is always a next mail."""
    run = await w.stream()
    await w.neighbours(1)
    await w.sweep()
    assert (await w.run(run)).state == "running"


@sweeping
async def test_sweeping_again_changes_nothing(w: Watch) -> None:
    """Many processes may sweep at once."""
    await w.doubt(InDoubt.HOLD)
    await w.doubt(InDoubt.RESEND)
    await w.campaign("a@example.jp")
    await w.sweep()
    before = await w.kinds()
    await w.sweep()
    assert await w.kinds() == before


# ── The dead ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Graveyard:
    """A host on which the workers in `gone` are certainly dead, with these marks."""

    def __init__(self, gone: dict[str, Sequence[Mark] | None]) -> None:
        self.gone = gone
        self.forgotten: list[str] = []

    def record(self, worker: str, now: int) -> WorkerRecord:
        return WorkerRecord(worker, "host", "boot", now)

    def certainly_gone(self, worker: WorkerRecord) -> bool:
        return worker.id in self.gone

    def marks_of(self, worker: WorkerRecord) -> Sequence[Mark] | None:
        return self.gone[worker.id]

    def forget(self, worker: WorkerRecord) -> None:
        self.forgotten.append(worker.id)

    def tidy(self, known: Collection[str]) -> None:
        """Nothing lies about."""


def _marks(kind: str, claimed: Claimed) -> Sequence[Mark] | None:
    match kind:
        case "none":
            return []
        case "no file or torn":
            return None
        case "of an older claim":
            return [Mark(claimed.id, msgspec.convert(claimed.fence - 1, type(claimed.fence)), MarkKind.ON_THE_WIRE)]
        case _:
            return [Mark(claimed.id, claimed.fence, MarkKind[kind], "p-1" if kind == "ACCEPTED" else "")]


@pytest.mark.parametrize(
    ("marks", "state", "reaped"),
    [
        ("none", State.QUEUED, Reaped(queued=1)),
        ("ON_THE_WIRE", State.IN_DOUBT, Reaped(in_doubt=1)),
        ("ACCEPTED", State.SENT, Reaped(sent=1)),
        ("REFUSED", State.QUEUED, Reaped(queued=1)),
        ("no file or torn", State.IN_DOUBT, Reaped(in_doubt=1)),
    ],
)
def test_a_dead_workers_claims_end_as_its_marks_say(marks: str, state: State, reaped: Reaped) -> None:
    """At once: a restart waits for no lease. Its traces are deleted behind the commit."""

    async def run() -> None:
        w = Watch()
        await w.begin("w1")
        claimed = await w.one()
        hosts = Graveyard({"w1": _marks(marks, claimed)})
        assert await reap(w.ledger, hosts, w.clock) == reaped
        assert await w.state(claimed.id) is state
        assert (hosts.forgotten, await w.ledger.workers.all()) == (["w1"], [])

    asyncio.run(run())


@sweeping
async def test_who_is_not_certainly_gone_keeps_its_claims(w: Watch) -> None:
    """A held lock, another host: only the lease and the heartbeat may speak, and they say only doubt."""
    await w.begin("w1")
    claimed = await w.one()
    hosts = Graveyard({})
    assert await reap(w.ledger, hosts, w.clock) == Reaped()
    assert (await w.state(claimed.id), hosts.forgotten) == (State.SENDING, [])


@sweeping
async def test_a_reaper_that_dies_before_it_tidied_up_harms_nothing(w: Watch) -> None:
    """The traces go only behind the commit, so that the next one finds them."""
    await w.begin("w1")
    claimed = await w.one()
    hosts = Graveyard({"w1": _marks("ACCEPTED", claimed)})

    def die(step: str) -> None:
        if step == "before_reap":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await reap(w.ledger, hosts, w.clock, die)
    assert hosts.forgotten == []
    await reap(w.ledger, hosts, w.clock)
    assert await w.state(claimed.id) is State.SENT
    assert w.now == START
