"""Workers: their end, certain or not, and what becomes of their claims."""

from __future__ import annotations

from kakitome.core.lifecycle import Cause, State
from kakitome.ports.workers import HEARTBEAT_LIMIT, Mark, MarkKind, Reaped, WorkerRecord
from kakitome.testing.ledger_world import HOUR, LEASE, MINUTE, Clauses, World, clause


class Workers(Clauses):
    @clause
    async def test_workers_come_and_go(self, w: World) -> None:
        """`all` has those that began and were neither ended nor reaped; a beat renews, and makes no worker."""
        await w.begin("w1")
        await w.begin("w2")
        await w.ledger.workers.beat("w1", w.now + MINUTE)
        await w.ledger.workers.beat("nobody", w.now)
        assert list(await w.ledger.workers.all()) == [
            WorkerRecord("w1", "host", "boot", w.now + MINUTE),
            WorkerRecord("w2", "host", "boot", w.now),
        ]
        await w.ledger.workers.end("w1", w.now)
        await w.ledger.workers.reap("w2", [], w.now)
        assert list(await w.ledger.workers.all()) == []
        assert [e.kind for e in await w.journal()] == ["worker_began", "worker_began", "worker_ended", "worker_reaped"]

    @clause
    async def test_marks_settle_a_dead_workers_claims(self, w: World) -> None:
        """No mark or refused: queued at once; accepted: sent, with the provider's id; on the wire: in doubt."""
        await w.begin()
        none, refused, accepted, wire = [await w.one() for _ in range(4)]
        [other] = await w.claim(*await w.admit(), worker="w2")
        marks = [
            Mark(refused.id, refused.fence, MarkKind.REFUSED),
            Mark(accepted.id, accepted.fence, MarkKind.ACCEPTED, "p9"),
            Mark(wire.id, wire.fence, MarkKind.ON_THE_WIRE),
        ]
        w.now += MINUTE
        assert await w.ledger.workers.reap("w1", marks, w.now) == Reaped(queued=2, sent=1, in_doubt=1)
        claims = (none, refused, accepted, wire, other)
        states = [State.QUEUED, State.QUEUED, State.SENT, State.IN_DOUBT, State.SENDING]
        assert [await w.state(c.id) for c in claims] == states
        assert [(await w.view(c.id)).attempts for c in claims] == [0, 0, 1, 1, 0]
        assert (await w.attempts(accepted.id))[0].provider_id == "p9"
        assert {c.id for c in await w.claim(none.id, refused.id, worker="w2")} == {none.id, refused.id}
        assert [d.id for d in await w.ledger.sweeps.doubts(10, w.now)] == [wire.id]

    @clause
    async def test_without_marks_everything_is_in_doubt(self, w: World) -> None:
        """A torn or missing file says nothing, so nothing is certain."""
        await w.begin()
        claims = [await w.one() for _ in range(3)]
        assert await w.ledger.workers.reap("w1", None, w.now) == Reaped(in_doubt=3)
        assert {await w.state(c.id) for c in claims} == {State.IN_DOUBT}

    @clause
    async def test_marks_of_older_claims_say_nothing_about_newer_ones(self, w: World) -> None:
        """A mark is of one fence. An old one that was accepted is proof, also where the claim had ended by its lease,
        and also beside a newer claim of the same worker."""
        await w.begin()
        old, older = await w.one(), await w.one()
        await w.settle(old, Cause.WORKER_GONE_UNMARKED, due=w.now)
        await w.again(old, worker="w1")
        await w.settle(older, Cause.LEASE_OVER, due=w.now)
        marks = [
            Mark(old.id, old.fence, MarkKind.ON_THE_WIRE),
            Mark(older.id, older.fence, MarkKind.ACCEPTED, "p"),
        ]
        assert await w.ledger.workers.reap("w1", marks, w.now) == Reaped(queued=1, sent=1)
        assert (await w.state(old.id), await w.state(older.id)) == (State.QUEUED, State.SENT)
        twice = await w.one()
        await w.settle(twice, Cause.WORKER_GONE_UNMARKED, due=w.now)
        await w.again(twice, worker="w1")
        assert (await w.ledger.workers.reap("w1", [Mark(twice.id, twice.fence, MarkKind.ACCEPTED, "q")], w.now)).sent
        assert await w.state(twice.id) is State.SENT

    @clause
    async def test_a_lease_that_is_over_is_a_doubt(self, w: World) -> None:
        """To the millisecond, with an attempt counted; never back to queued, since its worker may still write."""
        await w.begin()
        claimed = await w.one()
        w.now += LEASE - 1
        await w.ledger.workers.beat("w1", w.now)
        assert await w.ledger.sweeps.lease_over(100, w.now) == 0
        w.now += 1
        assert await w.ledger.sweeps.lease_over(100, w.now) == 1
        view = await w.view(claimed.id)
        assert (view.state, view.attempts) == (State.IN_DOUBT, 1)
        assert await w.claim(claimed.id) == []
        assert [d.id for d in await w.ledger.sweeps.doubts(10, w.now)] == [claimed.id]
        assert (await w.attempts(claimed.id))[0].cause is Cause.LEASE_OVER

    @clause
    async def test_a_worker_without_heartbeat_ends_its_leases(self, w: World) -> None:
        """A heartbeat of 60 s ago ends every claim of its worker, of no other, and only into doubt."""
        await w.begin("w1")
        await w.begin("w2")
        [dead] = await w.claim(*await w.admit(), worker="w1")
        [alive] = await w.claim(*await w.admit(), worker="w2")
        w.now += HEARTBEAT_LIMIT - 1
        assert await w.ledger.sweeps.lease_over(100, w.now) == 0
        await w.ledger.workers.beat("w2", w.now)
        w.now += 1
        assert await w.ledger.sweeps.lease_over(100, w.now) == 1
        assert (await w.state(dead.id), await w.state(alive.id)) == (State.IN_DOUBT, State.SENDING)

    @clause
    async def test_a_worker_that_never_began_has_its_lease(self, w: World) -> None:
        """Who has no heartbeat to lose (a function that lives for one batch) is not taken for dead."""
        claimed = await w.one(run=await w.stream())
        w.now += HEARTBEAT_LIMIT
        assert await w.ledger.sweeps.lease_over(100, w.now) == 0
        w.now += LEASE
        assert await w.ledger.sweeps.lease_over(100, w.now) == 1
        assert await w.state(claimed.id) is State.IN_DOUBT

    @clause
    async def test_sweeps_are_bounded(self, w: World) -> None:
        """Every sweep takes at most n; the next call takes the next ones, until none is left."""
        [await w.one() for _ in range(5)]
        await w.admit("a@example.jp", "b@example.jp", "c@example.jp", expires=w.now + MINUTE)
        w.now += HOUR
        assert [await w.ledger.sweeps.expire(2, w.now) for _ in range(3)] == [2, 1, 0]
        assert [await w.ledger.sweeps.lease_over(3, w.now) for _ in range(3)] == [3, 2, 0]
        assert len(await w.ledger.sweeps.doubts(4, w.now)) == 4

    @clause
    async def test_expiry_reaches_paused_runs(self, w: World) -> None:
        """What waits in a paused run expires all the same; what has no expiry never does."""
        run = await w.stream()
        [waiting] = await w.admit(expires=w.now + MINUTE)
        [patient] = await w.admit()
        await w.move(run, "paused")
        w.now += 100 * HOUR
        assert await w.ledger.sweeps.expire(10, w.now) == 1
        assert (await w.state(waiting), await w.state(patient)) == (State.EXPIRED, State.QUEUED)

    @clause
    async def test_a_clock_that_jumps_an_hour_loses_and_repeats_nothing(self, w: World) -> None:
        """Forward, claims end in doubt at most; back, they live longer; a settle is taken at any time."""
        await w.begin()
        for jump in (HOUR, -HOUR):
            claimed, other = await w.one(), await w.one()
            w.now += jump
            await w.ledger.sweeps.lease_over(100, w.now)
            assert await w.state(claimed.id) in (State.SENDING, State.IN_DOUBT)
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p{jump}")
            await w.settle(other, Cause.DEFERRED, due=w.now)
            assert await w.state(claimed.id) is State.SENT
            assert len(await w.claim(other.id)) == 1
