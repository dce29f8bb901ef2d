"""Doubt: how it begins, how it ends, and when copies are possible."""

from __future__ import annotations

from kakitome.core.event import EventKind
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Claimed
from kakitome.core.policy import Horizons
from kakitome.testing.ledger_lifecycle import reach
from kakitome.testing.ledger_world import HOUR, MINUTE, Clauses, World, clause, named


class Doubt(Clauses):
    @clause
    async def test_one_resend_at_most(self, w: World) -> None:
        """Two that look at one doubt at the same time send once more, not twice, however late the second one says so;
        after that a person decides."""
        for first, second in ((Cause.POLICY_RESEND, Cause.POLICY_RESEND), (Cause.SILENCE, Cause.POLICY_RESEND)):
            claimed = await w.one()
            await w.settle(claimed, Cause.UNCERTAIN)
            assert await w.resolve(claimed.id, first) == [claimed.id]
            await w.settle(await w.again(claimed), Cause.UNCERTAIN)
            assert await w.resolve(claimed.id, second) == []
            assert await w.state(claimed.id) is State.IN_DOUBT
            assert await w.resolve(claimed.id, Cause.DEADLINE) == [claimed.id]
            assert await w.resolve(claimed.id, Cause.PERSON_RESEND) == [claimed.id]

    @clause
    async def test_doubts_are_looked_at_when_they_are_due(self, w: World) -> None:
        """`doubts` gives what a decision needs, oldest first and bounded; `look_again` puts one off."""
        first, second = await w.one(), await w.one()
        begun = w.now
        w.now += MINUTE
        await w.settle(second, Cause.UNCERTAIN, due=w.now + 2 * MINUTE)
        await w.settle(first, Cause.UNCERTAIN, due=w.now + MINUTE)
        since = w.now
        assert await w.ledger.sweeps.doubts(10, w.now) == []
        w.now += 2 * MINUTE
        doubts = await w.ledger.sweeps.doubts(10, w.now)
        assert [d.id for d in doubts] == [first.id, second.id]
        assert (doubts[0].fence, doubts[0].lane, doubts[0].begun, doubts[0].since, doubts[0].resends) == (
            first.fence,
            "ses",
            begun,
            since,
            0,
        )
        assert [d.id for d in await w.ledger.sweeps.doubts(1, w.now)] == [first.id]
        await w.ledger.sweeps.look_again([first.id], w.now + HOUR)
        assert [d.id for d in await w.ledger.sweeps.doubts(10, w.now)] == [second.id]

    @clause
    async def test_looking_again_moves_only_doubts(self, w: World) -> None:
        """A message that left doubt meanwhile keeps its own time."""
        claimed = await reach(w, State.QUEUED)
        before = await w.view(claimed.id)
        await w.ledger.sweeps.look_again([claimed.id], w.now + HOUR)
        assert await w.view(claimed.id) == before

    @clause
    async def test_silence_and_policy_count_as_resends(self, w: World) -> None:
        """Both queue the message at once; its time is over when it was; the next doubt knows that it was resent."""
        for cause in (Cause.SILENCE, Cause.POLICY_RESEND):
            claimed = await w.one(expires=w.now + HOUR)
            await w.settle(claimed, Cause.UNCERTAIN, due=w.now + MINUTE)
            w.now += MINUTE
            assert await w.resolve(claimed.id, cause) == [claimed.id]
            view = await w.view(claimed.id)
            assert (view.state, view.due, view.expires) == (State.QUEUED, w.now, w.now - MINUTE + HOUR)
            again = await w.again(claimed)
            await w.settle(again, Cause.UNCERTAIN, due=w.now)
            [doubt] = [d for d in await w.ledger.sweeps.doubts(10, w.now) if d.id == claimed.id]
            assert doubt.resends == 1
            await w.resolve(claimed.id, Cause.DEADLINE)

    @clause
    async def test_a_person_decides_what_is_left(self, w: World) -> None:
        """Unresolved, dead and expired messages: sent again, taken as sent, or closed, with a name in the journal."""
        for state in (State.UNRESOLVED, State.DEAD, State.EXPIRED):
            for cause, to in (
                (Cause.PERSON_RESEND, State.QUEUED),
                (Cause.PERSON_SENT, State.SENT),
                (Cause.PERSON_CLOSED, State.CLOSED),
            ):
                claimed = await reach(w, state)
                assert await w.resolve(claimed.id, cause) == [claimed.id]
                assert await w.resolve(claimed.id, cause) == [], "twice is once"
                assert await w.state(claimed.id) is to
                [entry] = [e for e in await w.ledger.journal.of(claimed.id) if e.kind == cause]
                assert (entry.data["who"], entry.data["note"]) == ("aya", "because")

    @clause
    async def test_nobody_resends_what_was_withdrawn_in_doubt(self, w: World) -> None:
        """A doubt that ends in a resend after the message was withdrawn makes it cancelled; a person may overrule."""
        for cause in (Cause.SILENCE, Cause.POLICY_RESEND):
            claimed = await reach(w, State.IN_DOUBT)
            assert await w.ledger.messages.cancel([claimed.id], "aya", w.now) == [claimed.id]
            assert await w.state(claimed.id) is State.IN_DOUBT
            assert await w.resolve(claimed.id, cause) == [claimed.id]
            assert await w.state(claimed.id) is State.CANCELLED
        claimed = await reach(w, State.IN_DOUBT)
        await w.ledger.messages.cancel([claimed.id], "aya", w.now)
        await w.resolve(claimed.id, Cause.DEADLINE)
        await w.resolve(claimed.id, Cause.PERSON_RESEND)
        assert await w.check(await w.again(claimed)) == {}

    @clause
    async def test_a_late_reply_ends_the_doubt_and_replaces_it(self, w: World) -> None:
        """The newest attempt's own reply is certain: it moves the message and stands on the attempt from then on."""
        for doubt in (Cause.UNCERTAIN, Cause.LEASE_OVER, Cause.WORKER_GONE_MARKED):
            for late, to in (
                (Cause.PROVIDER_ACCEPTED, State.SENT),
                (Cause.DEFERRED, State.QUEUED),
                (Cause.REJECTED, State.FAILED),
                (Cause.RELEASED, State.QUEUED),
            ):
                claimed = await w.one()
                await w.settle(claimed, doubt, due=w.now)
                assert (await w.settle(claimed, late, due=w.now)).moved == 1
                assert await w.state(claimed.id) is to
                assert (await w.attempts(claimed.id))[0].cause is late

    @clause
    async def test_a_certainty_outlives_a_later_doubt(self, w: World) -> None:
        """What an attempt's reply said is not forgotten for a doubt that comes after it; only proof is stronger."""
        for cause in (Cause.PROVIDER_ACCEPTED, Cause.REJECTED):
            claimed = await w.one()
            await w.settle(claimed, cause)
            await w.settle(claimed, Cause.UNCERTAIN)
            assert (await w.attempts(claimed.id))[0].cause is cause
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")
        [attempt] = await w.attempts(claimed.id)
        assert (attempt.cause, attempt.provider_id) == (Cause.PROVIDER_ACCEPTED, "p")
        assert await w.state(claimed.id) is State.SENT

    async def _resent(self, w: World) -> tuple[Claimed, Claimed]:
        old = await reach(w, State.IN_DOUBT)
        await w.resolve(old.id, Cause.POLICY_RESEND)
        return old, await w.again(old)

    @clause
    async def test_copies_are_possible_when_an_old_attempt_is_proved_behind_a_newer_one(self, w: World) -> None:
        """The newer attempt may be accepted as well: while it is on its way, in doubt, or unresolved."""
        for ends in ((), (Cause.UNCERTAIN,), (Cause.UNCERTAIN, Cause.DEADLINE)):
            old, newer = await self._resent(w)
            for cause in ends:
                if cause is Cause.DEADLINE:
                    await w.resolve(newer.id, cause)
                else:
                    await w.settle(newer, cause)
            await w.fold(w.event(EventKind.SENT, old))
            view = await w.view(old.id)
            assert (view.state, view.copies_possible) == (State.SENT, True), ends

    @clause
    async def test_copies_are_not_possible_while_the_newer_attempt_certainly_failed(self, w: World) -> None:
        """One proved attempt and one that was certainly refused are one mail."""
        old, newer = await self._resent(w)
        await w.settle(newer, Cause.DEFERRED, due=w.now)
        await w.fold(w.event(EventKind.SENT, old))
        view = await w.view(old.id)
        assert (view.state, view.copies_possible) == (State.SENT, False)

    @clause
    async def test_two_proved_attempts_are_copies(self, w: World) -> None:
        """By reply or by event, in any order: as soon as two attempts are known to be accepted."""
        old, newer = await self._resent(w)
        await w.settle(newer, Cause.PROVIDER_ACCEPTED, "p-new")
        assert not (await w.view(old.id)).copies_possible
        await w.fold(w.event(EventKind.DELIVERED, old))
        assert (await w.view(old.id)).copies_possible
        first, second = await self._resent(w)
        await w.settle(second, Cause.PROVIDER_ACCEPTED, "p-second")
        await w.settle(first, Cause.PROVIDER_ACCEPTED, "p-first")
        assert (await w.view(first.id)).copies_possible

    @clause
    async def test_the_record_of_a_lane(self, w: World) -> None:
        """Neighbours accepted around the attempt, the streak past the horizon, how many of each have an event, and
        the newest time that the events show; of this lane alone."""
        horizons = Horizons(quiet=10 * MINUTE, neighbourhood=2 * MINUTE)
        start = w.now
        claims = []
        for minute in range(8):
            w.now = start + minute * MINUTE
            claims.append(await w.one())
            await w.settle(claims[-1], Cause.PROVIDER_ACCEPTED, f"p{minute}")
        [other] = await w.claim(*await w.admit(), lane="smtp")
        await w.settle(other, Cause.PROVIDER_ACCEPTED, "o")
        before = await w.ledger.sweeps.record("ses", start + 3 * MINUTE, horizons, w.now)
        assert (before.neighbours, before.neighbours_seen, before.streak, before.latest) == (5, 0, 0, None)
        for claimed in claims[:4]:
            await w.fold(w.event(EventKind.SENT, claimed))
            await w.fold(w.event(EventKind.DELIVERED, claimed, at=w.now + MINUTE))
        w.now = start + 15 * MINUTE
        after = await w.ledger.sweeps.record("ses", start + 3 * MINUTE, horizons, w.now)
        assert (after.neighbours, after.neighbours_seen) == (5, 3)
        assert (after.streak, after.streak_seen) == (5, 4)
        assert after.latest == start + 8 * MINUTE

    @clause
    async def test_an_attempt_counts_once_in_its_lanes_record(self, w: World) -> None:
        """Repeated acceptances, repeated events and an event before the reply: one neighbour, seen once."""
        claimed = await w.one()
        await w.fold(w.event(EventKind.SENT, claimed))
        for _ in range(2):
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")
            await w.fold(w.event(EventKind.DELIVERED, claimed))
        record = await w.ledger.sweeps.record("ses", w.now, Horizons(), w.now)
        assert (record.neighbours, record.neighbours_seen) == (1, 1)

    @clause
    async def test_what_was_decided_is_in_the_journal_at_once(self, w: World) -> None:
        """Doubt, resend and deadline leave their entries with the change itself."""
        claimed = await reach(w, State.IN_DOUBT)
        await w.resolve(claimed.id, Cause.DEADLINE)
        assert named(await w.journal(), claimed.id) == ["accepted", "claimed", "uncertain", "deadline"]
