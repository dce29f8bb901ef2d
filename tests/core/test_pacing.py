"""Slots: the rate holds in every window of one second."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kakitome.core.pacing import EPSILON, FASTEST, LATEST_MS, Paced, Slots, grant, quota_left, spacing_ms

NOW = 1_800_000_000_000.0
asks = st.lists(st.tuples(st.sampled_from((0, 1, 37, 500, 999, 1000, 1001, 7000)), st.integers(1, 60)), max_size=60)
rates = st.sampled_from((0.1, 1.0, 2.0, 14.0, 50.0, 200.0))


def granted(rate: float, asks: list[tuple[int, int]]) -> list[float]:
    """The slots that askers got, one after the other, from one account."""
    slots, paced, now = [], Paced(), NOW
    for wait, wanted in asks:
        now += wait
        given, paced = grant(wanted, rate, paced, now)
        slots += [given.slot(k) for k in range(given.count)]
        assert all(now <= given.slot(k) <= now + 1000 for k in range(given.count))
        assert given.count or now < given.until + 1000
    return slots


def fullest(slots: list[float], late: float = 0.0) -> int:
    """The most that any one-second window holds, if each may begin up to `late` ms after its slot."""
    return max((sum(a <= b < a + 1000 + late for b in slots) for a in slots), default=0)


@given(rates, asks)
@example(14.0, [(0, 14), (0, 14), (999, 14), (1, 14)])
def test_the_rate_holds_in_every_second(rate: float, asks: list[tuple[int, int]]) -> None:
    """Whoever asks, whenever, and for however many."""
    assert fullest(granted(rate, asks)) <= ceil(rate)


@given(st.sampled_from((1.0, 2.0, 14.0, 50.0, 200.0)), asks)
@example(14.0, [(0, 60), (1000, 60), (1000, 60)])
def test_the_rate_holds_also_where_mails_begin_late(rate: float, asks: list[tuple[int, int]]) -> None:
    """One mail on time and one as late as it may be (ε/2 before it begins, ε/2 on its way) are still a second apart."""
    late = 2 * LATEST_MS
    assert fullest(granted(rate, asks), late - 0.001) <= rate


def test_exactly_one_over_the_rate_is_not_enough() -> None:
    """Why there is an ε: fifteen mails, 1/14 s apart, fit into a second with a millisecond of jitter."""
    tight = [k * 1000 / 14 for k in range(15)]
    assert fullest(tight, late=1.0) == 15
    assert spacing_ms(14) == pytest.approx(1000 * 1.05 / 14)
    assert EPSILON == 0.05


def test_no_rate_is_no_wait() -> None:
    """All slots at once, and the account's next slot stays as it was."""
    given, paced = grant(500, None, Paced(17.0), NOW)
    assert (given.count, given.slot(499), paced) == (500, NOW, Paced(17.0))


def test_a_rate_beyond_reach_is_no_wait() -> None:
    """A batch's slots would be over in a moment, before it is claimed: all would be forfeited, again and again."""
    assert grant(500, FASTEST + 1, Paced(17.0), NOW) == grant(500, None, Paced(17.0), NOW)
    assert grant(500, FASTEST, Paced(17.0), NOW)[0].spacing > 0


@given(rates, asks)
def test_nothing_is_lost_by_coming_at_the_time_that_a_refusal_names(rate: float, asks: list[tuple[int, int]]) -> None:
    """At `until` there is a slot within the next second, and just before there was none."""
    slots = granted(rate, asks)
    next_slot = max(slots, default=NOW) + spacing_ms(rate)
    paced = Paced(next_slot)
    refused, _ = grant(1, rate, paced, next_slot - 1001)
    assert (refused.count, refused.reason) == (0, "rate")
    assert grant(1, rate, paced, refused.until)[0].count == 1
    assert grant(1, rate, paced, refused.until - 2)[0].count == 0


@pytest.mark.parametrize(
    ("quota", "used", "provider", "left"),
    [
        (None, 10**9, 10**9, None),
        (200, 0, None, 200),
        (200, 50, None, 150),
        (200, 50, 20, 150),
        (200, 50, 120, 80),
        (200, 0, 431, 0),
    ],
)
def test_the_larger_figure_is_believed(quota: int | None, used: int, provider: int | None, left: int | None) -> None:
    """Ours or the provider's, whichever leaves less; never less than nothing."""
    assert quota_left(quota, used, provider) == left


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 300)), max_size=60))
def test_a_slot_is_taken_once_and_never_when_it_has_passed(asks: list[tuple[int, int]]) -> None:
    """Whoever asks, in whatever order, and however often: who holds a slot keeps it until it is missed."""
    given = [0.00055 + k * 0.1053 for k in range(10)]  # never 25 ms from a whole one: floats could quarrel there
    slots, now = Slots(given), 0.0
    held: dict[int, float] = {}
    seen: set[float] = set()
    for index, wait in asks:
        now += wait / 1000
        slot = slots.take(index, now)
        late = now - LATEST_MS / 1000
        if index in held and held[index] >= late:
            assert slot == held[index]
        elif slot is None:
            assert all(free < late or free in seen for free in given)
        else:
            assert slot in given and slot not in seen and slot >= late and not slots.missed(index, now)
            seen.add(slot)
            held[index] = slot
