"""What is used on AWS, counted in units of its price list, and what that costs. Pure and exact."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, Literal

from kakitome.core.aws_prices import Unit, price

Number = int | float | Fraction
Tally = Mapping[Unit, Fraction]
"""How many of each unit. What is not named is not used."""

Architecture = Literal["arm64", "x86_64"]

GB: Final = 1024
"""MB of a GB of memory."""

EXPRESS_STEP_MS: Final = 100
EXPRESS_CHUNK_MB: Final = 64
"""An express execution is paid by begun tenths of a second and begun chunks of 64 MB (*AWS Step Functions pricing*)."""


def tally(counted: Mapping[Unit, Number]) -> Tally:
    """Units that were counted one by one. Raises `ValueError` for less than none."""
    if wrong := [unit for unit, n in counted.items() if n < 0]:
        raise ValueError(f"{wrong[0]} was counted below zero.")
    return {unit: Fraction(n) for unit, n in counted.items() if n}


def function(calls: Number, ms: Number, megabytes: int, architecture: Architecture = "arm64") -> Tally:
    """Calls of a function that lasts so many milliseconds on the average, billed by the millisecond."""
    time = Unit.ARM if architecture == "arm64" else Unit.X86
    seconds = Fraction(calls) * Fraction(ms) / 1000
    return tally({Unit.CALL: calls, time: seconds * megabytes / GB})


def express(executions: Number, ms: Number, megabytes: int) -> Tally:
    """Executions of an express workflow, each of so many milliseconds."""
    steps = -(-Fraction(ms) // EXPRESS_STEP_MS)
    chunks = max(1, -(-megabytes // EXPRESS_CHUNK_MB))
    seconds = Fraction(executions) * steps * EXPRESS_STEP_MS / 1000
    return tally({Unit.EXPRESS: executions, Unit.EXPRESS_TIME: seconds * chunks * EXPRESS_CHUNK_MB / GB})


def together(*tallies: Tally) -> Tally:
    units = dict.fromkeys(unit for one in tallies for unit in one)
    return {unit: sum((one.get(unit, Fraction()) for one in tallies), Fraction()) for unit in units}


def times(n: Number, one: Tally) -> Tally:
    return tally({unit: Fraction(n) * used for unit, used in one.items()})


def usd(used: Tally, region: str) -> Fraction:
    """At list prices, free tiers not counted. Raises `KeyError` for a region without prices here."""
    return sum((n * price(unit, region) for unit, n in used.items()), Fraction())
