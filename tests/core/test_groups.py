"""Groups: the mails of one request share a slot, and the rate holds in every window of one second all the same."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kakitome.core.pacing import EPSILON, FASTEST, Grant, Paced, grant, group_of, spacing_ms

NOW = 1_800_000_000_000.0
LATE = 1000 * EPSILON - 0.001  # floats of today's milliseconds are exact to 0.0003

rates = st.one_of(st.integers(1, 60), st.integers(1, 600)).map(float)
mosts = st.sampled_from((1, 1, 2, 3, 7, 10, 34, 50))
waits = st.sampled_from((0, 1, 37, 250, 500, 999, 1000, 1051, 7000))
asks = st.lists(st.tuples(waits, st.integers(1, 150), mosts), max_size=25)
lates = st.lists(st.floats(0, LATE), min_size=1, max_size=40)

Unit = tuple[float, int]


def granted(rate: float, asks: list[tuple[int, int, int]], ahead: float = 1000.0) -> list[Unit]:
    """What askers got, one after the other: when each request may begin, and how many mails it has."""
    units: list[Unit] = []
    paced, now = Paced(), NOW
    for wait, wanted, most in asks:
        now += wait
        got, paced = grant(wanted, rate, paced, now, most, ahead)
        assert got.count <= wanted
        assert got.group <= most
        assert all(now <= got.slot(k) <= now + ahead for k in range(got.count))
        units += [(got.slot(k), min(got.group, got.count - k)) for k in range(0, got.count, got.group)]
    return units


def fullest(units: list[Unit]) -> int:
    """The most mails that begin in any one-second window."""
    units = sorted(units)
    return max((sum(n for other, n in units if begin <= other < begin + 1000) for begin, _ in units), default=0)


@given(rates, asks, lates)
@example(4.0, [(0, 3, 3), (0, 2, 2), (0, 4, 1)], [0.0])
@example(100.0, [(0, 50, 50), (0, 66, 34), (0, 50, 50)], [LATE, 0.0])
@example(100.0, [(0, 99, 1), (0, 50, 50), (951, 99, 1)], [LATE, 0.0])
@example(100.0, [(0, 50, 50), (0, 1, 1), (0, 66, 34), (1000, 66, 34)], [LATE, 0.0])
@example(14.0, [(0, 14, 50), (0, 14, 1), (1051, 14, 50)], [0.0])
def test_no_second_holds_more_than_the_rate(rate: float, asks: list[tuple[int, int, int]], late: list[float]) -> None:
    """Whoever asks for single mails or for requests of whatever size, and however late each begins."""
    units = granted(rate, asks)
    assert fullest([(slot + late[k % len(late)], n) for k, (slot, n) in enumerate(units)]) <= rate


@given(st.floats(1, 600), asks)
def test_a_broken_rate_is_kept_to_the_next_whole_mail(rate: float, asks: list[tuple[int, int, int]]) -> None:
    """Of 1.5 a second, two may begin within one second; on average it is 1.5."""
    assert fullest(granted(rate, asks)) <= ceil(rate)


@given(rates, st.integers(2, 50))
def test_equal_groups_lose_nothing(rate: float, most: int) -> None:
    """In a minute of asking, groups carry what their size allows: all of the rate that whole groups fit into."""
    units = granted(rate, [(1000, 2000, most)] * 60)
    group = group_of(rate, most)
    whole = int(rate / group) * group if group > 1 else rate
    assert sum(n for _, n in units) >= (whole * 60) / (1 + EPSILON) - group
    assert whole > rate - group


@pytest.mark.parametrize(
    ("rate", "most", "group"),
    [(14.0, 50, 14), (75.0, 50, 37), (100.0, 50, 50), (1.0, 50, 1), (0.2, 50, 1), (None, 50, 50)],
)
def test_how_many_mails_a_request_takes(rate: float | None, most: int, group: int) -> None:
    """As many as fit evenly into a second; without a rate, or with one beyond reach, as many as it can."""
    assert group_of(rate, most) == group
    assert group_of(FASTEST + 1, most) == most


def test_all_of_a_group_share_its_slot() -> None:
    """The slots of 25 mails in requests of ten: three, and the third request has five."""
    got = Grant(25, NOW, 100.0, group=10)
    assert [got.slot(k) - NOW for k in (0, 9, 10, 19, 20, 24)] == [0, 0, 100, 100, 200, 200]


def test_a_group_waits_behind_single_mails() -> None:
    """Ten single mails at a hundred a second, then fifty at once: they come half a second later."""
    _, paced = grant(10, 100.0, Paced(), NOW)
    got, paced = grant(50, 100.0, paced, NOW, 50)
    assert got.begin == pytest.approx(NOW + 9 * 10.5 + 525)
    single, _ = grant(1, 100.0, paced, NOW + 800)
    assert single.begin == pytest.approx(got.begin + spacing_ms(100.0, 50))
