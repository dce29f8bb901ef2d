"""When the guard speaks, and when it holds its tongue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.delivery import Bounce, Delivery
from kakitome.core.event import BounceClass
from kakitome.core.guard import (
    RANK,
    Figures,
    Level,
    Rules,
    Verdict,
    counts,
    judge,
    next_window,
    remedy,
    sentence,
    together,
)

RULES = Rules()


@pytest.mark.parametrize(
    ("sent", "bounced", "complained", "level", "kind"),
    [
        (99, 99, 99, None, None),  # too few to say anything
        (100, 19, 0, None, None),  # by chance
        (100, 20, 0, Level.PAUSED, "bounces"),
        (501, 20, 0, None, None),
        (500, 20, 0, Level.WARNED, "bounces"),
        (400, 20, 0, Level.PAUSED, "bounces"),
        (2_000, 99, 0, Level.WARNED, "bounces"),
        (2_000, 100, 0, Level.PAUSED, "bounces"),
        (100, 0, 1, None, None),  # one complaint alone stops nothing
        (1_000, 0, 2, None, None),
        (3_750, 0, 3, Level.WARNED, "complaints"),  # 0.08 %
        (3_751, 0, 3, None, None),
        (3_000, 0, 3, Level.PAUSED, "complaints"),  # 0.1 %
        (100_000, 0, 99, Level.WARNED, "complaints"),
        (100_000, 0, 100, Level.PAUSED, "complaints"),
    ],
)
def test_the_limits(sent: int, bounced: int, complained: int, level: Level | None, kind: str | None) -> None:
    """At the limit counts; below it, or with too few mails or complaints, nothing does."""
    verdict = judge(Figures(sent=sent, bounced=bounced, complained=complained), RULES)
    assert (verdict and verdict.level, verdict and verdict.kind) == (level, kind)


figures = st.builds(
    Figures,
    level=st.sampled_from(Level),
    sent=st.integers(0, 5_000),
    bounced=st.integers(0, 300),
    complained=st.integers(0, 10),
)


@given(figures, st.sampled_from(Level))
def test_nothing_is_said_twice_or_beyond_what_is_allowed(there: Figures, most: Level) -> None:
    """A verdict is always graver than the last one, true of the figures, and within what the stream allows."""
    verdict = judge(there, Rules(most=most))
    if verdict is not None:
        assert RANK[there.level] < RANK[verdict.level] <= RANK[most]
        assert 100 * verdict.count >= verdict.limit * there.sent and there.sent >= 100
        assert verdict.count in (there.bounced, there.complained)


def test_what_counts() -> None:
    """Permanent bounces that are not the provider's own list, and complaints; nothing that passes."""
    cases = {(0, BounceClass.INVALID_RECIPIENT): True, (0, BounceClass.SUPPRESSED): False,
             (2, BounceClass.MAILBOX_FULL): False, (1, BounceClass.OTHER): False}  # fmt: skip
    for (gravity, why), counted in cases.items():
        assert counts(Delivery(bounce=Bounce(gravity, 1, why), delivered=2)) == (counted, False)
    assert counts(Delivery(complained=1)) == (False, True)


def test_the_sentence() -> None:
    """Figures that a person can check."""
    verdict = judge(Figures(sent=2_000, bounced=101), RULES)
    assert verdict is not None
    assert sentence(verdict) == "101 of 2,000 mails came back for good (5.05 %; the limit is 5 %)."
    whole = Verdict(level=Level.PAUSED, kind="bounces", count=30, sent=510, rate=5.882, limit=5.0, stream="bulk")
    assert sentence(whole) == "30 of 510 mails of the stream 'bulk' came back for good (5.882 %; the limit is 5 %)."
    assert "lists" in remedy(whole)


def test_a_stream_is_the_sum_of_its_runs() -> None:
    """Of those that began, or began anew, in its window and have sent; fewer than two of them are judged already."""
    one, two = Figures(sent=60, bounced=6, complained=1), Figures(sent=40, bounced=14, since=9, level=Level.WARNED)
    whole = Figures(sent=100, bounced=20, complained=1)
    idle = (9, Figures(level=Level.PAUSED))
    assert together([(3, one), (2, two), idle], 0, Level.QUIET) == whole
    assert together([(9, one), (2, two)], 9, Level.WARNED) == Figures(
        since=9, level=Level.WARNED, sent=100, bounced=20, complained=1
    )
    assert together([(8, one), (2, two), idle], 9, Level.QUIET) is None
    assert together([(3, one)], 0, Level.QUIET) is None
    assert judge(one, RULES) is None and (judge(whole, RULES) or 0) != 0


@given(st.lists(st.tuples(st.integers(0, 9), figures)), st.integers(0, 9))
def test_a_stream_has_no_more_than_its_runs(runs: list[tuple[int, Figures]], since: int) -> None:
    """Nothing is counted twice, whatever the order; and from the start, everything is."""
    whole = together(runs, since, Level.QUIET)
    assert whole == together(reversed(runs), since, Level.QUIET)
    if whole is not None:
        assert whole.sent <= sum(one.sent for _, one in runs)
        everything = together(runs, 0, Level.QUIET)
        assert everything is not None and everything.sent == sum(one.sent for _, one in runs)


WEEK = RULES.window


@pytest.mark.parametrize(
    ("since", "level", "newest", "now", "begins"),
    [
        (5, Level.QUIET, 0, 9 * WEEK, None),
        (5, Level.WARNED, 1_000, 100 + WEEK - 1, None),
        (5, Level.WARNED, 0, 100 + WEEK, 100),
        (100, Level.WARNED, 0, 100 + WEEK, 101),  # a window never begins where it began
        (5, Level.PAUSED, 100, 200, None),
        (5, Level.PAUSED, 101, 200, 101),  # somebody has started another list
        (5, Level.PAUSED, 0, 100 + WEEK, 100),
    ],
)
def test_a_word_on_a_stream_stands_for_one_window(
    since: int, level: Level, newest: int, now: int, begins: int | None
) -> None:
    """And a pause (said at 100) until something else of the stream begins."""
    assert next_window(since, 100, level, newest, RULES, now) == begins
