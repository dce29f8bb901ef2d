"""Silence is evidence only where the events are complete."""

from __future__ import annotations

from math import e

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.evidence import LEAST_NEIGHBOURS, STREAK, LaneRecord, Verdict, judge, residual

BEGUN, HORIZON = 1_800_000_000_000, 900_000
COMPLETE = LaneRecord(20, 20, 20, 20, BEGUN + HORIZON)


def test_complete_events_past_the_horizon_are_evidence() -> None:
    """Twenty neighbours, an unbroken streak, and an event from beyond the horizon."""
    assert judge(COMPLETE, BEGUN, HORIZON) is Verdict.NOT_ACCEPTED


@pytest.mark.parametrize(
    "record",
    [
        LaneRecord(20, 19, 20, 20, BEGUN + HORIZON),
        LaneRecord(19, 19, 20, 20, BEGUN + HORIZON),
        LaneRecord(20, 20, 1000, 999, BEGUN + HORIZON),
        LaneRecord(20, 20, 19, 19, BEGUN + HORIZON),
        LaneRecord(20, 20, 20, 20, BEGUN + HORIZON - 1),
        LaneRecord(20, 20, 20, 20, None),
        LaneRecord(0, 0, 0, 0, None),
    ],
    ids=[
        "a neighbour misses",
        "too few neighbours",
        "the streak is broken",
        "the streak is short",
        "the stream has not come so far",
        "no events at all",
        "nothing is known",
    ],
)
def test_anything_less_is_not(record: LaneRecord) -> None:
    """Each condition by itself keeps the doubt open."""
    assert judge(record, BEGUN, HORIZON) is Verdict.WAIT


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(-9, 9))
def test_a_missing_event_is_never_evidence(near: int, seen: int, streak: int, streak_seen: int, past: int) -> None:
    """Whatever else holds: one acceptance without its event says that events get lost."""
    record = LaneRecord(near, min(near, seen), streak, min(streak, streak_seen), BEGUN + HORIZON + past)
    if record.neighbours_seen < record.neighbours or record.streak_seen < record.streak or past < 0:
        assert judge(record, BEGUN, HORIZON) is Verdict.WAIT


def test_the_residual_probability_is_the_bound() -> None:
    """1/(e·n): 1.8 % at twenty, 0.04 % at a thousand; certainty of nothing without neighbours."""
    assert residual(COMPLETE) == pytest.approx(1 / (e * 20))
    assert residual(LaneRecord(20, 20, STREAK, STREAK, BEGUN)) == pytest.approx(0.00037, abs=1e-5)
    assert residual(LaneRecord(0, 0, 0, 0, None)) == 1.0
    assert LEAST_NEIGHBOURS == 20


@given(st.integers(1, 1000), st.floats(0, 1))
def test_no_loss_rate_makes_a_resend_likelier_than_the_bound(n: int, p: float) -> None:
    """One event lost and n others not, with any independent loss p, is at most as likely as we say."""
    assert p * (1 - p) ** n <= residual(LaneRecord(n, n, n, n, BEGUN)) + 1e-12
