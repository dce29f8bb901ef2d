"""Costs are exact."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.cost import Price, amount_text, cost, exact_text, totals

SES = Price(Decimal("0.10"))
SENDGRID = Price(Decimal(2_300), 40_000, "JPY")


@pytest.mark.parametrize(
    ("recipients", "price", "shown", "exact"),
    [
        (1_000, SES, "0.10", "0.1"),
        (1, SES, "0.0001", "0.0001"),
        (1_234_567, SES, "123.4567", "123.4567"),
        (40_000, SENDGRID, "2,300.00", "2300"),
        (100_000, Price(Decimal(12_000), 100_000, "JPY"), "12,000.00", "12000"),
        (1, SENDGRID, "0.0575", "0.0575"),
        (1, Price(Decimal(1), 3), "0.3333", "0.3333333333"),
        (0, SES, "0.00", "0"),
    ],
)
def test_the_published_prices(recipients: int, price: Price, shown: str, exact: str) -> None:
    """SES's 0.10 USD per 1,000, SendGrid's plans in yen; a single mail's price is not rounded to nothing."""
    amount = cost(recipients, price)
    assert amount_text(amount) == shown
    assert exact_text(amount) == exact


@given(st.lists(st.integers(0, 10**9), max_size=20), st.decimals(0, 10_000, places=4), st.integers(1, 10**6))
def test_parts_cost_what_the_whole_costs(parts: list[int], amount: Decimal, per: int) -> None:
    """No rounding gets lost between lanes, campaigns and days."""
    price = Price(amount, per)
    assert sum((cost(n, price) for n in parts), Fraction()) == cost(sum(parts), price)


def test_currencies_have_no_sum() -> None:
    """Each its own, by name."""
    costs = [("USD", cost(1_000, SES)), ("JPY", cost(40_000, SENDGRID)), ("USD", cost(2_000, SES))]
    assert totals(costs) == {"JPY": Fraction(2_300), "USD": Fraction(3, 10)}
