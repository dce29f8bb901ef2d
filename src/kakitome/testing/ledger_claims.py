"""Claims: who gets a message, when, and what an old claim may still say."""

from __future__ import annotations

import asyncio

from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Settlement
from kakitome.testing.ledger_world import HOUR, MINUTE, Clauses, World, clause, named


class Claims(Clauses):
    @clause
    async def test_due_is_in_order_and_bounded(self, w: World) -> None:
        """`due` looks: oldest due first, then by id, at most n, of this run only, none before its time."""
        run = await w.stream()
        late = await w.admit(due=w.now + HOUR)
        second = await w.admit(due=w.now + 2 * MINUTE)
        first = await w.admit(due=w.now + MINUTE)
        now = await w.admit("a@example.jp", "b@example.jp")
        await w.admit(run=await w.stream("other"))
        w.now += 5 * MINUTE
        assert await w.ledger.messages.due(run, 10, w.now) == [*now, *first, *second]
        assert await w.ledger.messages.due(run, 3, w.now) == [*now, *first]
        assert await w.ledger.messages.due(run, 0, w.now) == []
        assert await w.state(now[0]) is State.QUEUED
        assert late[0] not in await w.ledger.messages.due(run, 10, w.now)

    @clause
    async def test_only_what_is_queued_due_and_running_is_claimed(self, w: World) -> None:
        """The others are left out of the answer, and a claim leaves them as they are."""
        paused = await w.campaign("p@example.jp")
        [of_paused] = await w.ledger.messages.due(paused, 10, w.now)
        await w.move(paused, "paused")
        claimed = await w.one()
        [later] = await w.admit(due=w.now + 1)
        good = await w.admit("a@example.jp", "b@example.jp")
        ids = [good[1], of_paused, claimed.id, later, good[0], good[1]]
        assert [c.id for c in await w.claim(*ids)] == [good[1], good[0]]
        assert (await w.view(claimed.id)).fence == claimed.fence
        assert await w.state(of_paused) is State.QUEUED
        w.now += 1
        assert [c.id for c in await w.claim(later)] == [later]

    @clause
    async def test_a_claim_carries_what_sending_needs(self, w: World) -> None:
        """Address, attempts before this one, time of the first claim, expiry, submission or the row's variables."""
        run = await w.campaign("p@example.jp")
        [row] = await w.claim(*await w.ledger.messages.due(run, 10, w.now))
        assert (row.address, row.run, row.submission, row.variables) == ("p@example.jp", run, None, b'{"n":1}')
        first = await w.one(expires=w.now + HOUR)
        begun = w.now
        await w.settle(first, Cause.DEFERRED, due=w.now + MINUTE)
        w.now += MINUTE
        again = await w.again(first)
        assert (again.attempts, again.first_claimed, again.expires) == (1, begun, first.expires)
        assert again.submission is not None
        assert again.variables == b"{}"

    @clause
    async def test_fences_only_rise(self, w: World) -> None:
        """Each claim has a fence above all earlier ones of its message, and an attempt of its own."""
        claimed = await w.one()
        seen = [claimed.fence]
        for cause in (Cause.RELEASED, Cause.DEFERRED, Cause.UNAVAILABLE, Cause.WORKER_GONE_UNMARKED):
            await w.settle(claimed, cause, due=w.now)
            claimed = await w.again(claimed)
            seen.append(claimed.fence)
        assert seen == sorted(set(seen))
        assert [a.fence for a in await w.attempts(claimed.id)] == seen

    @clause
    async def test_two_workers_never_get_the_same_message(self, w: World) -> None:
        """Of the same ids, claimed by several workers at once, each is given exactly once."""
        run = await w.campaign(*(f"{n}@example.jp" for n in range(40)))
        ids = await w.ledger.messages.due(run, 100, w.now)
        answers = await asyncio.gather(*(w.claim(*ids, worker=f"w{n}") for n in range(4)))
        assert sorted(c.id for claims in answers for c in claims) == sorted(ids)
        assert await w.rows(run) == {"read": 40, "sending": 40}

    @clause
    async def test_a_claim_is_journaled_with_its_worker(self, w: World) -> None:
        """The intent is on record when `claim` returns: who, through which lane, until when."""
        claimed = await w.one()
        entry = next(e for e in await w.journal() if e.kind == "claimed")
        assert entry.data["ids"] == [claimed.id]
        assert (entry.data["worker"], entry.data["lane"]) == ("w1", "ses")

    @clause
    async def test_check_lets_a_good_claim_start(self, w: World) -> None:
        """A claim that nothing speaks against is not in the answer."""
        assert await w.check(await w.one(), await w.one(expires=w.now + 1)) == {}

    @clause
    async def test_check_finds_suppression_of_all_and_of_the_stream(self, w: World) -> None:
        """A suppression counts from its commit on: for everything, or for the stream that it names."""
        one = await w.one()
        await w.suppress("aoi@example.jp", scope="stream:other")
        assert await w.check(one) == {}
        await w.suppress("aoi@example.jp", scope="stream:booking")
        assert await w.check(one) == {one.id: Cause.SUPPRESSED}
        [two] = await w.claim(*await w.admit("b@example.jp"))
        await w.suppress("b@example.jp")
        assert await w.check(one, two) == {one.id: Cause.SUPPRESSED, two.id: Cause.SUPPRESSED}

    @clause
    async def test_check_finds_cancel_expiry_and_pause(self, w: World) -> None:
        """Withdrawn: cancelled; its time over, to the millisecond: expired; its run paused: released."""
        cancelled, expiring = await w.one(), await w.one(expires=w.now + MINUTE)
        assert await w.ledger.messages.cancel([cancelled.id], "aya", w.now) == [cancelled.id]
        w.now += MINUTE - 1
        assert await w.check(cancelled, expiring) == {cancelled.id: Cause.CANCELLED}
        w.now += 1
        assert (await w.check(expiring))[expiring.id] is Cause.EXPIRED
        run = await w.campaign("p@example.jp")
        [row] = await w.claim(*await w.ledger.messages.due(run, 1, w.now))
        await w.move(run, "paused")
        assert await w.check(row) == {row.id: Cause.RELEASED}
        await w.move(run, "running")
        assert await w.check(row) == {}

    @clause
    async def test_check_refuses_whoever_lost_the_claim(self, w: World) -> None:
        """An old fence, a claim that was settled, a message that does not exist: none of them may start."""
        old = await w.one()
        await w.settle(old, Cause.WORKER_GONE_UNMARKED, due=w.now)
        assert await w.check(old) == {old.id: Cause.RELEASED}
        newer = await w.again(old)
        assert await w.check(old) == {old.id: Cause.RELEASED}
        assert await w.check(newer) == {}
        unknown = type(old.id)(424242)
        assert await w.ledger.messages.check([(unknown, old.fence)], w.now) == {unknown: Cause.RELEASED}

    @clause
    async def test_attempts_count_as_the_table_says(self, w: World) -> None:
        """What was given back before the write costs nothing; a refusal and a doubt cost one, a doubt only once."""
        claimed = await w.one()
        for cause, total in (
            (Cause.RELEASED, 0),
            (Cause.UNAVAILABLE, 0),
            (Cause.DEFERRED, 1),
            (Cause.WORKER_GONE_UNMARKED, 1),
        ):
            await w.settle(claimed, cause, due=w.now)
            assert (await w.view(claimed.id)).attempts == total, cause
            claimed = await w.again(claimed)
        await w.settle(claimed, Cause.UNCERTAIN)
        assert (await w.view(claimed.id)).attempts == 2
        await w.settle(claimed, Cause.DEFERRED, due=w.now)
        assert (await w.view(claimed.id)).attempts == 2

    @clause
    async def test_settling_twice_is_settling_once(self, w: World) -> None:
        """A repeated outcome moves nothing, counts nothing, and does not change what the attempt says."""
        for cause in (Cause.PROVIDER_ACCEPTED, Cause.DEFERRED, Cause.REJECTED, Cause.UNCERTAIN):
            claimed = await w.one()
            assert (await w.settle(claimed, cause, "p1", due=w.now)).moved == 1
            before = await w.view(claimed.id), (await w.attempts(claimed.id))[0].cause
            assert (await w.settle(claimed, cause, "p1", due=w.now)).moved == 0
            assert (await w.view(claimed.id), (await w.attempts(claimed.id))[0].cause) == before

    @clause
    async def test_a_retry_waits_for_its_time(self, w: World) -> None:
        """`due` of the settlement is when the message may be claimed again; without it, nothing changes there."""
        claimed = await w.one()
        await w.settle(claimed, Cause.DEFERRED, due=w.now + HOUR)
        assert await w.claim(claimed.id) == []
        w.now += HOUR
        again = await w.again(claimed)
        await w.settle(again, Cause.RELEASED)
        assert len(await w.claim(claimed.id)) == 1

    @clause
    async def test_a_stale_fence_moves_nothing_but_is_kept(self, w: World) -> None:
        """The outcome of an old claim is written to its own attempt; the message stays with the newest claim."""
        for cause in (Cause.REJECTED, Cause.EXHAUSTED, Cause.DEFERRED, Cause.UNCERTAIN, Cause.SUPPRESSED):
            old = await w.one()
            await w.settle(old, Cause.LEASE_OVER, due=w.now)
            await w.resolve(old.id, Cause.POLICY_RESEND)
            newer = await w.again(old)
            settled = await w.settle(old, cause)
            assert (settled.moved, settled.stale) == (0, 1)
            view = await w.view(old.id)
            assert (view.state, view.fence, view.copies_possible) == (State.SENDING, newer.fence, False)
            assert [a.cause for a in await w.attempts(old.id)] == [cause, None]
            assert cause in named(await w.journal(), old.id)

    @clause
    async def test_an_old_fences_acceptance_is_proof(self, w: World) -> None:
        """The message is sent; and as a newer attempt was on its way, copies are possible."""
        old = await w.one()
        await w.settle(old, Cause.LEASE_OVER, due=w.now)
        await w.resolve(old.id, Cause.POLICY_RESEND)
        newer = await w.again(old)
        settled = await w.settle(old, Cause.PROVIDER_ACCEPTED, "p-old")
        assert (settled.moved, settled.stale) == (1, 1)
        assert await w.check(newer) == {newer.id: Cause.RELEASED}
        assert (await w.view(old.id)).copies_possible
        assert await w.state(old.id) is State.SENT

    @clause
    async def test_an_acceptance_is_proof_of_what_was_given_back_too(self, w: World) -> None:
        """A claim that was thought unsent and then says that it was accepted: sent, and no copy if none was tried."""
        claimed = await w.one()
        await w.settle(claimed, Cause.WORKER_GONE_UNMARKED, due=w.now)
        assert (await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")).moved == 1
        view = await w.view(claimed.id)
        assert (view.state, view.copies_possible) == (State.SENT, False)
        assert (await w.attempts(claimed.id))[0].cause is Cause.PROVIDER_ACCEPTED

    @clause
    async def test_the_newest_and_an_old_fence_settle_in_one_batch(self, w: World) -> None:
        """Several outcomes of one message in one batch are all written, each to its attempt, in their order."""
        old = await w.one()
        await w.settle(old, Cause.WORKER_GONE_UNMARKED, due=w.now)
        newer = await w.again(old)
        batch = [
            Settlement(id=old.id, fence=newer.fence, cause=Cause.UNCERTAIN),
            Settlement(id=old.id, fence=old.fence, cause=Cause.PROVIDER_ACCEPTED, provider_id="p"),
        ]
        settled = await w.ledger.messages.settle(batch, w.now)
        assert (settled.moved, settled.stale) == (2, 1)
        assert [a.cause for a in await w.attempts(old.id)] == [Cause.PROVIDER_ACCEPTED, Cause.UNCERTAIN]
        view = await w.view(old.id)
        assert (view.state, view.copies_possible) == (State.SENT, True)

    @clause
    async def test_every_outcome_is_journaled(self, w: World) -> None:
        """What came of an attempt is in the journal when `settle` returns; acceptances may share an entry."""
        for cause in (Cause.PROVIDER_ACCEPTED, Cause.REJECTED, Cause.DEFERRED, Cause.UNCERTAIN, Cause.RELEASED):
            claimed = await w.one()
            await w.settle(claimed, cause, due=w.now)
            assert named(await w.journal(), claimed.id) == ["accepted", "claimed", cause]

    @clause
    async def test_withdrawing(self, w: World) -> None:
        """Queued messages are cancelled at once, claimed ones when they come back; what is final stays."""
        [queued] = await w.admit()
        sending, sent = await w.one(), await w.one()
        await w.settle(sent, Cause.PROVIDER_ACCEPTED)
        assert await w.ledger.messages.cancel([queued, sending.id, sent.id], "aya", w.now) == [queued, sending.id]
        assert await w.state(queued) is State.CANCELLED
        assert await w.state(sending.id) is State.SENDING
        await w.settle(sending, Cause.DEFERRED, due=w.now)
        assert await w.state(sending.id) is State.CANCELLED
        assert await w.state(sent.id) is State.SENT
        assert "cancelled" in named(await w.journal(), queued)
