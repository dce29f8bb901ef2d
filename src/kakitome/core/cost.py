"""What sending costs, exactly: amounts are decimal, and nothing is rounded before it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import msgspec


class Price(msgspec.Struct, frozen=True):
    """`amount` in `currency` for every `per` recipients, and by the piece: half a thousand is half the price."""

    amount: Decimal
    per: int = 1000
    currency: str = "USD"


def cost(recipients: int, price: Price) -> Fraction:
    return Fraction(price.amount) * recipients / price.per


def totals(costs: Iterable[tuple[str, Fraction]]) -> dict[str, Fraction]:
    """By currency: dollars and yen have no sum."""
    found: dict[str, Fraction] = {}
    for currency, amount in costs:
        found[currency] = found.get(currency, Fraction()) + amount
    return dict(sorted(found.items()))


def amount_text(amount: Fraction) -> str:
    """With two decimals at least and four at most (a mail costs 0.0001 USD), half up."""
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(amount.numerator) / Decimal(amount.denominator)
        rounded = exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    whole, _, decimals = f"{rounded:,.4f}".partition(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def exact_text(amount: Fraction) -> str:
    """For programs: every digit there is, and ten decimals where there is no end to them."""
    with localcontext() as context:
        context.prec = 60
        quotient = Decimal(amount.numerator) / Decimal(amount.denominator)
        if Fraction(quotient) != amount:
            quotient = quotient.quantize(Decimal("1e-10"), ROUND_HALF_UP)
        return f"{quotient:f}"
