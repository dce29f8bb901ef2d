"""Figures as numbers: sums of what messages add, shares, and the provider's points in order."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.delivery import NOTHING, fold
from kakitome.core.engagement import kept, touch_of
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.statistics import (
    QUARTER,
    Cell,
    Point,
    adds,
    domain_of,
    failures,
    percent,
    percent_text,
    series,
    summed,
    told,
)

AT = 1_800_000_000_000 // QUARTER * QUARTER

events = st.lists(
    st.builds(
        lambda n, kind, at, link, permanence, raw: Event(
            key=f"k{n}", kind=kind, at=AT + at, provider="ses", provider_message_id="p", link=link,
            permanence=permanence, raw=msgspec.Raw(raw),
        ),
        st.integers(0, 10_000),
        st.sampled_from(list(EventKind)),
        st.integers(0, 8_000),
        st.sampled_from(["a", "b", "c", None]),
        st.sampled_from(list(Permanence)),
        st.sampled_from([b"null", b'{"open":{"userAgent":"Mozilla/5.0"}}']),
    ),
    unique_by=lambda event: event.key,
    max_size=10,
)  # fmt: skip


def figures(history: list[Event]) -> Counter[Cell]:
    delivery = NOTHING
    for event in history:
        delivery = fold(delivery, event)
    return adds("example.jp", delivery, kept(touch for e in history if (touch := touch_of(e))))


@given(events, st.randoms())
def test_a_messages_figures_need_no_order(history: list[Event], random: Any) -> None:
    """Any order of its events, and any repetition, adds the same."""
    again = random.sample([*history, *history], 2 * len(history))
    assert figures(again) == figures(history)


@given(events)
def test_persons_and_machines_are_told_apart(history: list[Event]) -> None:
    """A touched message was opened by a person or by machines only, and a clicked one was opened by the same; every
    click stands at its link once; a message counts once, at its domain, too."""
    cells = figures(history)
    touches = [touch for e in history if (touch := touch_of(e))]
    total = {name: n for (scope, _, name), n in cells.items() if scope == ""}
    assert set(total.values()) <= {1}
    assert total == {name: n for (scope, key, name), n in cells.items() if (scope, key) == ("domain", "example.jp")}
    assert total.get("opened", 0) + total.get("machine_opened", 0) == bool(touches)
    assert total.get("clicked", 0) + total.get("machine_clicked", 0) == any(t.click for t in touches)
    assert total.get("clicked", 0) <= total.get("opened", 0)
    clicks = sum(n for (scope, _, name), n in cells.items() if scope == "link" and name in ("clicks", "machine"))
    assert clicks == sum(t.click for t in touches)


def bounce(permanence: Permanence, why: BounceClass | None = None) -> Event:
    return Event(
        key="k",
        kind=EventKind.BOUNCED,
        at=AT,
        provider="ses",
        provider_message_id="p",
        permanence=permanence,
        bounce_class=why,
    )


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        (bounce(Permanence.PERMANENT), True),
        (bounce(Permanence.TRANSIENT), False),
        (bounce(Permanence.UNDETERMINED), False),
        (bounce(Permanence.PERMANENT, BounceClass.SUPPRESSED), False),
    ],
)
def test_bounces_count_as_ses_counts_them(event: Event, counts: bool) -> None:
    """For good, and not what the account's own list held back; by the message and by the quarter alike."""
    assert (figures([event])["", "", "bounced"] == 1) is counts
    assert told(event) == (("bounced", "permanent") if counts else ("bounced",))


def test_not_spam_is_no_complaint() -> None:
    """RFC 6430: somebody took it out of the spam folder."""
    complaint = Event(key="k", kind=EventKind.COMPLAINED, at=AT, provider="ses", provider_message_id="p")
    assert told(complaint) == ("complained",)
    assert told(msgspec.structs.replace(complaint, complaint="not-spam")) == ()


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (18, 100_000, "0.018 %"),
        (0, 7, "0.000 %"),
        (7, 7, "100.000 %"),
        (1, 3, "33.333 %"),
        (1, 10**9, "< 0.001 %"),
        (0, 0, "–"),
    ],
)
def test_shares_have_three_decimals(part: int, whole: int, text: str) -> None:
    """S1's figure is readable; a share of nothing is no 0 %, and what happened is never rounded away."""
    assert percent_text(part, whole) == text


@given(st.integers(0, 10**7), st.integers(1, 10**7))
def test_a_share_is_exact_to_its_last_digit(part: int, whole: int) -> None:
    """Half a thousandth of a percent is the largest error, whatever the numbers."""
    share = percent(part, whole)
    assert share is not None
    assert abs(share * whole - 100 * part) <= Decimal("0.0005") * whole


def test_failures_are_what_is_not_known_to_have_gone_out() -> None:
    """Of all that we are done with, and not of what still waits."""
    rows = {"sent": 99_982, "failed": 10, "dead": 4, "unresolved": 3, "expired": 1, "queued": 500, "suppressed": 9}
    assert failures(rows) == (18, 100_000)


def test_domains_are_lower_case() -> None:
    """And an address that is not kept any more has none."""
    assert [domain_of(address) for address in ("a@Docomo.NE.jp", '"a@b"@c.jp', "", None)] == [
        "docomo.ne.jp",
        "c.jp",
        "",
        "",
    ]


points = st.lists(st.builds(Point, st.integers(0, 9).map(lambda n: AT + n * QUARTER), st.integers(0, 2)), max_size=12)


@given(points, st.randoms())
def test_points_come_sorted_whatever_their_order(given_: list[Point], random: Any) -> None:
    """The newest is last; an equal copy is dropped and named, a different one stays and is named; no hole is hidden."""
    found = series(random.sample(given_, len(given_)))
    assert list(found.points) == sorted(set(given_))
    times = [point.at for point in given_]
    assert set(found.repeated) == {at for at in times if times.count(at) > 1}
    missing = set(range(min(times, default=0), max(times, default=0), QUARTER)) - set(times)
    assert {at for a, b in found.gaps for at in range(a + QUARTER, b, QUARTER)} == missing
    assert summed(found.points).attempts == sum(point.attempts for point in set(given_))


def test_points_before_the_span_are_left_out() -> None:
    """From its beginning on, which belongs to it; nothing has sums of nothing."""
    assert series([Point(AT, 1), Point(AT - 1, 2)], since=AT) == series([Point(AT, 1)])
    assert summed(()) == Point(0)
