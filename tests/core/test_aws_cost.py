"""Cost on AWS is counted once, by one list of prices, for ours and for what it is compared with."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.aws_cost import express, function, tally, times, together, usd
from kakitome.core.aws_forms import MAPPED, STARTED, Setting, ours, per_million, published
from kakitome.core.aws_prices import AS_OF, PRICES, REGIONS, Unit, price

VIRGINIA, TOKYO = REGIONS
TALLIES = st.dictionaries(st.sampled_from(list(Unit)), st.integers(0, 10**9), max_size=6).map(tally)


def test_every_unit_has_its_price_and_page() -> None:
    """In both regions, above zero; the list has a date."""
    assert set(PRICES) == set(Unit)
    assert all(amount > 0 for listed in PRICES.values() for amount in listed.amounts)
    assert all(listed.page and listed.per > 0 for listed in PRICES.values())
    assert date.fromisoformat(AS_OF).year >= 2026


def test_another_regions_prices_are_not_guessed() -> None:
    """A region that is not in the list is an error."""
    with pytest.raises(KeyError):
        price(Unit.WRITE, "eu-west-1")


def test_a_bill_by_hand() -> None:
    """A million writes, a million calls of 100 ms at 128 MB, three million transitions."""
    used = together(
        tally({Unit.WRITE: 10**6, Unit.TRANSITION: 3 * 10**6}),
        function(10**6, 100, 128),
    )
    by_hand = Decimal("0.625") + 75 + Decimal("0.20") + Decimal(12_500) * Decimal("0.0000133334")
    assert usd(used, VIRGINIA) == Fraction(by_hand)
    assert usd(tally({Unit.WRITE: 10**6}), TOKYO) == Fraction("0.715")


def test_an_express_execution_is_paid_by_begun_steps() -> None:
    """Of 100 ms and of 64 MB."""
    assert express(1, 101, 65) == express(1, 200, 128)
    assert express(1, 101, 65) != express(1, 100, 64)


@given(TALLIES, TALLIES, st.integers(0, 1000))
def test_parts_cost_what_the_whole_costs(one: dict[Unit, Fraction], two: dict[Unit, Fraction], n: int) -> None:
    """Exactly, however it is put together."""
    assert usd(together(one, two), TOKYO) == usd(one, TOKYO) + usd(two, TOKYO)
    assert usd(times(n, one), TOKYO) == n * usd(one, TOKYO)


def test_less_than_none_is_not_counted() -> None:
    """A meter that was read in the wrong order is an error and no refund."""
    with pytest.raises(ValueError, match="below zero"):
        tally({Unit.WRITE: -1})


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("rate", [14, 50, 200, 500, None])
def test_sending_and_state_cost_a_twentieth(region: str, rate: float | None) -> None:
    """Of one standard child with a wait, and one call, for each row; as many children as the rate needs."""
    form = ours(Setting(rate=rate), MAPPED)
    assert per_million(form, region)["sending"] <= per_million(published(), region)["sending"] / 20


def test_the_published_form_is_what_it_is_said_to_be() -> None:
    """Three transitions a row are nearly all of it."""
    used = published().sending
    assert [int(used[unit]) for unit in (Unit.TRANSITION, Unit.CALL, Unit.WRITE, Unit.READ)] == [3, 1, 1, 1]
    assert 76 < per_million(published(), VIRGINIA)["sending"] < 77


def test_children_that_wait_for_their_slots_are_paid() -> None:
    """More of them than the rate needs cost more and send no faster."""
    few, many = (per_million(ours(Setting(rate=14, concurrency=n)), TOKYO)["sending"] for n in (1, 10))
    assert many > 2 * few


def test_rows_that_are_written_before_they_are_claimed_cost_hardly_a_write_more() -> None:
    """That is what `campaign start` does: its claims are one write for many, and it reads more."""
    assert MAPPED.written < STARTED.written < MAPPED.written + 0.5
    apart = [per_million(ours(Setting(), units), TOKYO)["sending"] for units in (MAPPED, STARTED)]
    assert apart[0] < apart[1] < 2 * apart[0]


def test_events_are_counted_by_themselves() -> None:
    """None of what they use is in the sending, and both forms hear two of each mail."""
    for form in (ours(Setting()), published()):
        assert form.events[Unit.SNS] == 2
        assert Unit.SNS not in form.sending and Unit.SQS not in form.sending
