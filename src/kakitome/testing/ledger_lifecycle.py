"""Every row of `lifecycle.MOVES` happens, and no other."""

from __future__ import annotations

from kakitome.core.event import EventKind
from kakitome.core.ids import Fence
from kakitome.core.lifecycle import MOVES, Cause, Need, State, move
from kakitome.core.message import Claimed, Settlement
from kakitome.ports.messages import DECISIONS, OUTCOMES
from kakitome.testing.ledger_world import HOUR, Clauses, World, clause

HOW_TO_REACH: dict[State, tuple[Cause, ...]] = {
    State.QUEUED: (Cause.DEFERRED,),
    State.SENDING: (),
    State.SENT: (Cause.PROVIDER_ACCEPTED,),
    State.IN_DOUBT: (Cause.UNCERTAIN,),
    State.FAILED: (Cause.REJECTED,),
    State.DEAD: (Cause.EXHAUSTED,),
    State.UNRESOLVED: (Cause.UNCERTAIN, Cause.DEADLINE),
    State.SUPPRESSED: (Cause.SUPPRESSED,),
    State.CANCELLED: (Cause.CANCELLED,),
    State.EXPIRED: (Cause.EXPIRED,),
    State.CLOSED: (Cause.EXHAUSTED, Cause.PERSON_CLOSED),
}
WITHOUT_A_METHOD = {(State.QUEUED, Cause.SUPPRESSED)}
"""Allowed by the table, and asked for by nobody yet: a suppressed message is found out when it is claimed."""


async def reach(w: World, state: State) -> Claimed:
    """A message in this state that has one attempt. Its claim is the answer."""
    claimed = await w.one()
    for cause in HOW_TO_REACH[state]:
        await apply(w, claimed, cause)
    assert await w.state(claimed.id) is state
    return claimed


async def apply(w: World, claimed: Claimed, cause: Cause) -> None:
    """Do to the message what this cause stands for, in the way that its state has for it."""
    state = await w.state(claimed.id)
    if cause is Cause.CLAIMED:
        await w.claim(claimed.id)
    elif cause is Cause.PROOF:
        await w.fold(w.event(EventKind.SENT, claimed))
    elif cause in DECISIONS:
        await w.resolve(claimed.id, cause)
    elif cause is Cause.CANCELLED and state is not State.SENDING:
        await w.ledger.messages.cancel([claimed.id], "aya", w.now)
    elif cause in OUTCOMES:
        await w.settle(claimed, cause)
    else:
        raise AssertionError(f"{cause} is nothing that can be done to a message that is there")


EXISTING = [c for c in Cause if move(None, c) is None]


class Lifecycle(Clauses):
    @clause
    async def test_every_move_of_the_table_happens_and_no_other_does(self, w: World) -> None:
        """For each state and each cause: the table's row with its cost of attempts, or no change at all."""
        for state in State:
            for cause in EXISTING:
                if (state, cause) in WITHOUT_A_METHOD or (state, cause) in _SPECIAL:
                    continue
                claimed = await reach(w, state)
                before = await w.view(claimed.id)
                await apply(w, claimed, cause)
                after = await w.view(claimed.id)
                row = move(state, cause) or (move(state, Cause.PROOF) if cause is Cause.PROVIDER_ACCEPTED else None)
                what = f"{state.word} + {cause}: {after.state.word}"
                assert after.state is (row.to if row else state), what
                assert after.attempts - before.attempts == (row.costs_attempt if row else 0), what
                assert after.fence - before.fence == (cause is Cause.CLAIMED and state is State.QUEUED), what

    @clause
    async def test_expiry_takes_what_is_queued_and_nothing_else(self, w: World) -> None:
        """The sweeper's expiry moves `queued`; of all other states it takes none, however late it is."""
        claims = {state: await reach(w, state) for state in State}
        [waiting] = await w.admit(expires=w.now + HOUR)
        w.now += 2 * HOUR
        assert await w.ledger.sweeps.expire(100, w.now) == 1
        assert await w.state(waiting) is State.EXPIRED
        for state, claimed in claims.items():
            assert await w.state(claimed.id) is state

    @clause
    async def test_only_outcomes_settle(self, w: World) -> None:
        """`settle` raises `ValueError` for causes that are not a worker's to say, and changes nothing."""
        claimed = await reach(w, State.IN_DOUBT)
        for cause in set(Cause) - OUTCOMES:
            good = Settlement(id=claimed.id, fence=claimed.fence, cause=Cause.PROVIDER_ACCEPTED)
            wrong = Settlement(id=claimed.id, fence=claimed.fence, cause=cause)
            try:
                await w.ledger.messages.settle([good, wrong], w.now)
            except ValueError:
                pass
            else:
                raise AssertionError(f"settle took {cause}")
        assert await w.state(claimed.id) is State.IN_DOUBT

    @clause
    async def test_only_decisions_resolve(self, w: World) -> None:
        """`resolve` raises `ValueError` for what needs a claim: nobody gives back another one's mail."""
        claimed = await reach(w, State.SENDING)
        for cause in set(Cause) - DECISIONS:
            try:
                await w.resolve(claimed.id, cause)
            except ValueError:
                pass
            else:
                raise AssertionError(f"resolve took {cause}")
        assert await w.state(claimed.id) is State.SENDING

    @clause
    async def test_what_needs_the_fence_does_not_happen_with_another(self, w: World) -> None:
        """An outcome with a fence that was never given changes nothing and is kept nowhere."""
        claimed = await reach(w, State.SENDING)
        for row in MOVES:
            if row.needs is Need.FENCE:
                wrong = Settlement(id=claimed.id, fence=Fence(claimed.fence + 7), cause=row.cause)
                settled = await w.ledger.messages.settle([wrong], w.now)
                assert (settled.moved, settled.stale) == (0, 0)
        assert await w.state(claimed.id) is State.SENDING
        assert [a.settled for a in await w.attempts(claimed.id)] == [None]

    @clause
    async def test_proof_leads_to_sent_from_everywhere(self, w: World) -> None:
        """An event of any attempt makes the message `sent`, whatever became of it meanwhile."""
        for state in State:
            claimed = await reach(w, state)
            await w.fold(w.event(EventKind.DELIVERED, claimed))
            assert await w.state(claimed.id) is State.SENT, state

    @clause
    async def test_proof_by_resolve_needs_an_attempt(self, w: World) -> None:
        """Nobody proves the acceptance of what was never tried; what was tried becomes `sent`, its attempt proved."""
        [fresh] = await w.admit()
        assert await w.resolve(fresh, Cause.PROOF) == []
        claimed = await reach(w, State.UNRESOLVED)
        assert await w.resolve(claimed.id, Cause.PROOF) == [claimed.id]
        assert await w.state(claimed.id) is State.SENT
        assert (await w.attempts(claimed.id))[0].proved == w.now


# An expiry of queued messages is the sweeper's; a clause of its own is about it.
_SPECIAL = {(State.QUEUED, Cause.EXPIRED)}
