"""Random walks through whole lives: callers, workers that die at any step, providers that lose replies, events that
come late, twice or never. The provider's own record is the judge.

Beside them stand pinned walks, each through the moment where one mistake would show.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machine import HOUR, REPLIES, STEPS, Machine, Op

from kakitome.core import evidence
from kakitome.core.lifecycle import Cause, State
from kakitome.core.policy import InDoubt, Policy

numbers = st.integers(0, 30)
crashes = st.tuples(st.sampled_from(STEPS), st.integers(1, 4))
maybe = st.none() | crashes
replies = st.lists(st.sampled_from(REPLIES), min_size=1, max_size=5)
interludes: st.SearchStrategy[Op] = st.one_of(
    st.tuples(st.just("cancel"), numbers),
    st.tuples(st.just("suppress"), numbers),
    st.tuples(st.just("wait"), st.sampled_from((0.4, 0.7, 6.0, 20.0))),
    st.tuples(st.just("sweep"), st.sampled_from((0.0, 20.0, 70.0))),
)
rounds: st.SearchStrategy[tuple[Op, ...]] = st.one_of(
    st.tuples(
        st.tuples(st.just("accept"), st.sampled_from((3, 1, 24)), st.sampled_from((None, 30_000, 5_000))),
        st.tuples(st.just("deliver"), replies, crashes, st.lists(interludes, max_size=2)),
    ),
    st.tuples(
        st.tuples(st.just("deliver"), replies, maybe, st.lists(interludes, max_size=2)),
        st.tuples(st.just("reap"), maybe),
        st.tuples(st.just("sweep"), st.sampled_from((0.0, 16.0, 61.0))),
        st.tuples(st.just("deliver"), replies, maybe),
    ),
    st.tuples(
        st.tuples(st.just("events"), st.integers(0, 30), st.integers(0, 3), maybe),
        st.tuples(st.just("sweep"), st.sampled_from((0.0, 61.0))),
    ),
    st.tuples(st.tuples(st.just("torn"))),
    st.tuples(interludes),
)
walks = st.lists(rounds, min_size=4, max_size=9).map(lambda parts: [op for part in parts for op in part])
quick = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def walk(policy: Policy, channel: str, path: list[Op]) -> Machine:
    """The walk, everything that is left to do after it, and the verdict."""

    async def run() -> Machine:
        machine = Machine(policy, channel)
        for op in path:
            await machine.take(op)
        await machine.drain()
        await machine.judge()
        return machine

    return asyncio.run(run())


async def state(machine: Machine, which: int = 0) -> State:
    [view] = await machine.ledger.reads.messages([machine.acknowledged[which]])
    return view.state


@pytest.mark.parametrize("in_doubt", InDoubt)
@pytest.mark.parametrize("channel", ["all", "none"])
def test_whatever_happens_nothing_is_lost_and_nothing_is_doubled_in_secret(
    in_doubt: InDoubt, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conservation; sent ⇒ the provider has it; a copy ⇒ a recorded doubt; hold and evidence never twice; no attempt
    after a committed word against it. (Two neighbours do for silence here: a channel that keeps the order and loses
    nothing makes it safe with any number, and twenty are seldom met.)"""
    monkeypatch.setattr(evidence, "LEAST_NEIGHBOURS", 2)

    @quick
    @given(walks)
    def walking(path: list[Op]) -> None:
        walk(Policy(in_doubt=in_doubt, attempts=4, first_delay=1_000, longest_delay=2_000), channel, path)

    walking()


@pytest.mark.parametrize("in_doubt", [InDoubt.HOLD, InDoubt.RESEND])
def test_clocks_that_jump_break_nothing(in_doubt: InDoubt) -> None:
    """An hour forward or back between any two happenings. (What silence proves presumes a clock that is right.)"""

    @quick
    @given(walks, st.lists(st.sampled_from((0, HOUR, -HOUR)), min_size=36, max_size=36))
    def walking(path: list[Op], jumps: list[int]) -> None:
        async def run() -> None:
            machine = Machine(Policy(in_doubt=in_doubt, attempts=4, first_delay=1_000), "all")
            for op, jump in zip(path, jumps, strict=False):
                await machine.take(op)
                await machine.jump(jump)
            machine.clock.jump(24 * HOUR)  # whatever was jumped back is over
            await machine.drain()
            await machine.judge()

        asyncio.run(run())

    walking()


EVIDENCE, RESEND, HOLD = (Policy(in_doubt=kind) for kind in (InDoubt.EVIDENCE, InDoubt.RESEND, InDoubt.HOLD))


@pytest.mark.parametrize("step", STEPS[:10])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_kill_leaves_in_doubt_only_what_had_no_reply(step: str, times: int) -> None:
    """At every step of a batch of three: at most one mail is in doubt after the reaper, and none behind its reply."""

    async def run() -> None:
        machine = Machine(HOLD, "none")
        await machine.accept(3)
        await machine.deliver([], (step, times))
        await machine.reap()
        views = await machine.ledger.reads.messages(machine.acknowledged)
        doubts = [view.id for view in views if view.state is State.IN_DOUBT]
        assert len(doubts) == (step in ("after_mark", "after_reply"))
        for view in views:
            if view.id not in doubts:
                assert (view.state is State.SENT) == (machine.provider.record[view.id] == 1)
        await machine.drain()
        await machine.judge()

    asyncio.run(run())


def test_a_lost_reply_is_proved_by_its_event() -> None:
    """In doubt, then `sent`; nothing is sent twice."""
    machine = walk(EVIDENCE, "all", [("accept", 1), ("deliver", ["lose"]), ("events", 5), ("sweep", 61.0)])
    assert asyncio.run(state(machine)) is State.SENT
    assert sum(machine.provider.record.values()) == 1


def _silence(lost: str) -> list[Op]:
    """Twenty-four neighbours that are heard of, one of which no reply came, and an event from beyond the horizon."""
    return [
        *(("accept", 25), ("deliver", [lost]), ("events", 30), ("wait", 61.0), ("accept", 24), ("deliver", [])),
        *(("events", 30), ("sweep", 0.0)),
    ]


def test_silence_among_complete_neighbours_is_sent_again_once() -> None:
    """It was not accepted, the events show it, and it goes out."""
    machine = walk(EVIDENCE, "all", _silence("vanish"))
    assert machine.provider.record[machine.acknowledged[0]] == 1
    assert Cause.SILENCE in {e.kind for e in asyncio.run(machine.ledger.journal.read(0, 10_000))}


def test_what_was_accepted_is_heard_of_before_silence_counts() -> None:
    """The same walk, but the provider had it: the channel loses nothing, so its event is there in time."""
    machine = walk(EVIDENCE, "all", _silence("lose"))
    assert machine.provider.record[machine.acknowledged[0]] == 1
    assert Cause.SILENCE not in {e.kind for e in asyncio.run(machine.ledger.journal.read(0, 10_000))}


def test_hold_is_not_sent_again_by_silence() -> None:
    """The same walk once more: it was not accepted, and still a person decides."""
    machine = walk(HOLD, "all", [*_silence("vanish")] + [("deliver", [])] * 9)
    assert asyncio.run(state(machine)) is State.UNRESOLVED
    assert machine.provider.record[machine.acknowledged[0]] == 0


def test_without_any_events_silence_proves_nothing() -> None:
    """A channel that is broken as a whole: unresolved, not doubled."""
    machine = walk(EVIDENCE, "none", _silence("lose"))
    assert asyncio.run(state(machine)) is State.UNRESOLVED


def test_resend_goes_once_more_and_not_twice() -> None:
    """Both replies are lost: the second doubt waits for proof or a person."""
    machine = walk(
        RESEND, "none", [("accept", 1), ("deliver", ["lose"]), ("wait", 6.0), ("sweep", 0.0), ("deliver", ["lose"])]
    )
    assert machine.provider.record[machine.acknowledged[0]] == 2
    assert asyncio.run(state(machine)) is State.UNRESOLVED


@pytest.mark.parametrize("word", ["cancel", "suppress"])
def test_a_word_against_a_mail_in_hand_is_heard(word: str) -> None:
    """It is claimed, and has not had its turn for a second: it does not go."""
    machine = walk(HOLD, "none", [("accept", 2), ("deliver", [], None, [(word, 1), ("wait", 0.7)])])
    assert machine.provider.record[machine.acknowledged[1]] == 0


def test_a_stopped_worker_that_wakes_writes_nothing_of_what_was_taken_from_it() -> None:
    """Its lease was over, the sweeper put its claims in doubt, and then it woke."""
    machine = walk(HOLD, "none", [("accept", 3), ("deliver", [], None, [("sweep", 70.0)])])
    assert max(machine.provider.record.values()) == 1
    assert sum(machine.provider.record.values()) == 3


def test_torn_marks_are_a_doubt_and_not_a_resend() -> None:
    """Killed behind the write, and the file cannot be read: whoever takes it for empty sends twice."""
    machine = walk(HOLD, "none", [("accept", 1), ("deliver", [], ("after_reply", 1)), ("torn",), ("reap", None)])
    assert asyncio.run(state(machine)) is State.UNRESOLVED
    assert machine.provider.record[machine.acknowledged[0]] == 1
