"""Two lanes, and the first one fails: what is certainly not accepted goes by the second, at once and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from test_worker import LANES, Shift
from workshop import SECOND

from kakitome.core.breaker import BREAK_AFTER
from kakitome.core.lifecycle import State
from kakitome.core.outcome import STOPS, Accepted, Breadth, Outcome, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply
from kakitome.ports.transport import Parcel

MAILS = 30
REPLY = Reply(code=454, text="not now")


def first_says(outcome: Outcome) -> Callable[[str, Parcel], Outcome]:
    return lambda lane, parcel: outcome if lane == "first" else Accepted(f"p-{parcel.message}")


def played(outcome: Outcome, until: int) -> tuple[Shift, list[State]]:
    """A shift in which the first lane has answered so to each of the mails, till `until` of them were written by the
    second."""

    async def run() -> tuple[Shift, list[State]]:
        s = Shift()
        s.post.answer = first_says(outcome)
        async with asyncio.timeout(10):
            ids = await s.hand_in("letter", *(f"r{k}@example.com" for k in range(MAILS)))
            async with s.working(), s.post.news:
                await s.post.news.wait_for(lambda: sum(lane == "second" for lane, _ in s.post.written) == until)
            return s, await s.states(ids)

    return asyncio.run(run())


@pytest.mark.parametrize("reason", Unavailability)
def test_what_stops_a_lane_costs_no_mail(reason: Unavailability) -> None:
    """Sandbox, suspension, pause, an identity that is not verified, wrong keys, nobody listening: one entry that says
    so, one mail that found it out, all of them sent by the other lane, with one attempt each."""
    s, states = played(Unavailable(reason, REPLY), MAILS)
    assert states == [State.SENT] * MAILS
    assert [lane for lane, _ in s.post.written].count("first") == 1

    async def looked() -> None:
        [stopped] = await s.journal("stopped")
        gate = "lane:first" if STOPS[reason].breadth is Breadth.LANE else f"account:{LANES['first'].account}"
        assert (stopped.data["gate"], stopped.data["reason"], stopped.data["detail"]) == (gate, reason, "not now")
        assert {view.attempts for view in await s.views(list(s.numbers))} == {1}
        tried = [a.lane for a in await s.attempts(list(s.numbers))]
        assert (tried.count("second"), set(tried)) == (MAILS, {"first", "second"})

    asyncio.run(looked())


def test_doubts_stay_where_they_are() -> None:
    """Lost replies: the lane is left alone after a few, those mails wait for proof, only the others go elsewhere."""
    s, states = played(Uncertain("reset"), MAILS - BREAK_AFTER)
    assert states == [State.IN_DOUBT] * BREAK_AFTER + [State.SENT] * (MAILS - BREAK_AFTER)
    twice = [to for _, to in s.post.written]
    assert len(twice) == len(set(twice)) == MAILS


def test_a_lane_that_works_again_gets_its_mail_back_slowly() -> None:
    """One mail tries; a little goes by the first lane then, and the rest by the second until it is trusted again."""

    async def run() -> None:
        s = Shift()
        now = s.clock.now()
        await s.ledger.accounts.stop("lane:first", "circuit_open", now + 30 * SECOND, "", now, True)
        s.clock.pass_by(90)
        async with asyncio.timeout(10), s.working():
            await s.hand_in("letter", *(f"r{k}@example.com" for k in range(400)))
            await s.post.until("r399@example.com")
        by = [lane for lane, _ in s.post.written]
        assert by[0] == "first"
        assert 1 < by.count("first") < 100 < by.count("second")
        [resumed] = await s.journal("resumed")
        assert (resumed.data["gate"], resumed.data["who"]) == ("lane:first", "probe")

    asyncio.run(run())
