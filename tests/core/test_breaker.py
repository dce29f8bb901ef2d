"""How long a lane is left alone, how slowly it comes back, and how an account that was throttled slows down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.breaker import LONGEST, RETURN_FLOOR, pause, recovered, returned, slowed, throttled
from kakitome.core.pacing import FASTEST

MINUTE = 60_000
NOW = 1_800_000_000_000
factors = st.floats(1 / 64, 1)


def test_a_pause_doubles_up_to_five_minutes() -> None:
    """A first pause that is longer than that stays as it is."""
    assert [pause(5000, strikes) for strikes in range(1, 9)] == [5000, 10_000, 20_000, 40_000, 80_000, 160_000] + [
        LONGEST
    ] * 2
    assert pause(60 * MINUTE, 7) == 60 * MINUTE
    assert pause(5000, 10**6) == LONGEST


@given(st.integers(0, 7 * MINUTE), st.integers(0, 7 * MINUTE))
def test_a_lane_comes_back_ever_more(one: int, other: int) -> None:
    """From a sixty-fourth, twice as much each minute, whole after six; a clock that goes back takes nothing."""
    assert returned(NOW, NOW + min(one, other)) <= returned(NOW, NOW + max(one, other)) <= 1.0
    assert returned(NOW, NOW) == returned(NOW, NOW - one) == RETURN_FLOOR
    assert returned(NOW, NOW + 3 * MINUTE) == 8 * RETURN_FLOOR
    assert returned(NOW, NOW + 6 * MINUTE) == 1.0


@given(factors)
def test_what_a_throttle_takes_comes_back_by_the_minute(factor: float) -> None:
    """Three tenths go, a tenth of the rate comes back each minute, and never more than there was."""
    less = throttled(factor)
    assert 1 / 64 <= less == max(1 / 64, factor * 0.7)
    assert recovered(less, NOW, NOW + MINUTE) == pytest.approx(min(1.0, less + 0.1))
    assert recovered(less, NOW, NOW - MINUTE) == less
    assert recovered(less, NOW, NOW + 11 * MINUTE) == 1.0


@given(st.one_of(st.none(), st.floats(0.1, 10_000)), factors)
def test_a_slowed_account_still_goes(rate: float | None, factor: float) -> None:
    """At one mail a second at least, unless its rate is less; never faster than its rate."""
    pace = slowed(rate, factor)
    if factor == 1.0:
        assert pace == rate
    else:
        base = min(rate or FASTEST, FASTEST)
        assert pace is not None
        assert min(1.0, base) <= pace <= base
        assert pace == pytest.approx(max(base * factor, min(1.0, base)))
