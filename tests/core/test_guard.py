"""When the guard speaks, and when it holds its tongue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.delivery import Bounce, Delivery
from kakitome.core.event import BounceClass
from kakitome.core.guard import RANK, Figures, Level, Rules, counts, judge, sentence

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
