"""When a lane is left alone, for how long, and how slowly it gets its mail back.

closed ──(answers that say so, or BREAK_AFTER doubts in a row)──> stopped ──(the pause is over)──> half open
half open ──(one mail went through)──> closed, slowly           half open ──(it did not)──> stopped, twice as long
"""

from __future__ import annotations

from math import exp2

BREAK_AFTER = 5
"""Attempts of a lane that end in doubt, one behind the other with nothing accepted between them, before it is left
alone: each further one would be another mail of which nobody knows whether it went."""

DEFERRALS_AFTER = 20
"""The same for refusals for now. They are certain and cost a mail little, and a few may be its recipients' own."""

LONGEST = 5 * 60 * 1000
"""Milliseconds. What was put right over there is found within this time."""

RETURN_FLOOR = 1 / 64
RETURN_DOUBLES = 60 * 1000
"""A lane that has come back begins with this share of its rate, which doubles in this time (ms)."""


def pause(first: int, strikes: int) -> int:
    """Milliseconds to wait at the `strikes`-th stop in a row, whose first one lasts `first`."""
    return max(first, min(LONGEST, first << min(strikes - 1, 30)))


def returned(since: int, now: int) -> float:
    """The share of its rate that a lane may use which works again since `since`; 1 from six minutes on."""
    return min(1.0, RETURN_FLOOR * exp2(max(0, now - since) / RETURN_DOUBLES))
