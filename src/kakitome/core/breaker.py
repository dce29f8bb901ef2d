"""When a lane is left alone, for how long, and how slowly it gets its mail back.

closed ──(answers that say so, or BREAK_AFTER doubts in a row)──> stopped ──(the pause is over)──> half open
half open ──(one mail went through)──> closed, slowly           half open ──(it did not)──> stopped, twice as long
"""

from __future__ import annotations

from math import exp2

from kakitome.core.pacing import FASTEST

BREAK_AFTER = 5
"""Attempts of a lane that end in doubt, one behind the other with nothing accepted between them, before it is left
alone: each further one would be another mail of which nobody knows whether it went."""

DEFERRALS_AFTER = 20
"""The same for refusals for now. They are certain and cost a mail little, and a few may be its recipients' own."""

LONGEST = 5 * 60 * 1000
"""Milliseconds. What was put right over there is found within this time."""

LOOK_AGAIN = 1000
"""Milliseconds after which those look again who may not try a half-open lane themselves."""

RETURN_AFTER = 60 * 1000
"""A lane that was shut for less (ms) has all its mail back at once: a server that was started again is no outage."""

RETURN_FLOOR = 1 / 64
RETURN_DOUBLES = 60 * 1000
"""A lane that has come back begins with this share of its rate, which doubles in this time (ms)."""


def pause(first: int, strikes: int) -> int:
    """Milliseconds to wait at the `strikes`-th stop in a row, whose first one lasts `first`."""
    return max(first, min(LONGEST, first << min(strikes - 1, 30)))


def returned(since: int, now: int) -> float:
    """The share of its rate that a lane may use which works again since `since`; 1 from six minutes on."""
    return min(1.0, RETURN_FLOOR * exp2(max(0, now - since) / RETURN_DOUBLES))


SLOWER = 0.7
RECOVERS = 0.1 / (60 * 1000)
SLOWEST = 1 / 64
"""What a throttle leaves of an account's pace, how much comes back in a millisecond, and the least that is left."""


def recovered(factor: float, since: int, now: int) -> float:
    """The share of its rate that an account may use which was slowed to `factor` at `since`."""
    return min(1.0, factor + RECOVERS * max(0, now - since))


def throttled(factor: float) -> float:
    """The share that is left after one more throttle."""
    return max(SLOWEST, factor * SLOWER)


def slowed(rate: float | None, factor: float) -> float | None:
    """The rate that this share of it makes: never below one mail a second, unless the rate itself is."""
    if factor >= 1.0:
        return rate
    base = FASTEST if rate is None else min(rate, FASTEST)
    return min(base, max(1.0, base * factor))
