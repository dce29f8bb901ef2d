"""When to try again."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.policy import HOUR, SECOND, Policy
from kakitome.core.retry import delay

POLICY = Policy(first_delay=30 * SECOND, longest_delay=2 * HOUR)


class _Draws(Random):
    """A generator that always draws this."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value


def test_the_wait_doubles_up_to_its_bound() -> None:
    """The longest possible waits: half a minute, one, two, … two hours."""
    longest = [delay(n, POLICY, _Draws(1 - 2**-53)) + 1 for n in range(1, 12)]
    assert longest == [min(30 * SECOND << n, 2 * HOUR) for n in range(11)]


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_half_of_the_wait_is_certain(attempts: int, seed: int) -> None:
    """No storm comes back at once, and no number of attempts leads out of bounds."""
    whole = min(30 * SECOND << min(attempts - 1, 30), 2 * HOUR)
    assert whole // 2 <= delay(attempts, POLICY, Random(seed)) <= whole


def test_the_other_half_is_drawn() -> None:
    """Mails that failed together do not return together."""
    assert len({delay(5, POLICY, Random(seed)) for seed in range(100)}) > 90


def test_what_was_never_tried_waits_for_nothing() -> None:
    """No attempt, no delay."""
    assert delay(0, POLICY, Random(1)) == 0
