"""How the lanes of a worker do, and when to leave one alone.

What is known for certain (nobody listens, suspended, too fast) stops a lane or account at once. Doubts and deferrals
may be one mail's own; many in a row, with nothing accepted between them, are the lane's.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from kakitome.core.breaker import BREAK_AFTER, DEFERRALS_AFTER
from kakitome.core.lane import Lane
from kakitome.core.outcome import (
    STOPS,
    Accepted,
    Breadth,
    Deferred,
    Outcome,
    Rejected,
    Unavailability,
    Unavailable,
    Uncertain,
)
from kakitome.core.reply import Reply


class Halt(msgspec.Struct, frozen=True):
    """What to stop, why and until when (ms). `doubling`: the end is a guess of ours, and grows with each strike."""

    gate: str
    reason: Unavailability
    until: int
    detail: str
    doubling: bool


class Health:
    """What a worker has seen of its lanes since the last mail that went through."""

    def __init__(self) -> None:
        self._doubts: Counter[str] = Counter()
        self._deferrals: Counter[str] = Counter()

    def heard(self, lane: Lane, outcome: Outcome, probing: bool, now: int) -> Halt | None:
        """Take an outcome in. `probing`: the mail was sent to find out whether the lane works again."""
        match outcome:
            case Unavailable(reason=reason, reply=reply, until=until):
                return _halt(lane, reason, reply, until, now)
            case Uncertain(reply=reply):
                self._doubts[lane.name] += 1
                limit, count = BREAK_AFTER, self._doubts[lane.name]
            case Deferred(reply=reply):
                self._deferrals[lane.name] += 1
                limit, count = DEFERRALS_AFTER, self._deferrals[lane.name]
                probing = False  # it answers: whatever it was shut for is over
            case Accepted() | Rejected():
                self._forget(lane.name)
                return None
            case _:
                return None
        if count < limit and not probing:
            return None
        self._forget(lane.name)
        return _halt(lane, Unavailability.CIRCUIT_OPEN, reply, None, now)

    def _forget(self, lane: str) -> None:
        del self._doubts[lane], self._deferrals[lane]


def _halt(lane: Lane, reason: Unavailability, reply: Reply | None, until: int | None, now: int) -> Halt:
    stop = STOPS[reason]
    return Halt(
        gate=f"lane:{lane.name}" if stop.breadth is Breadth.LANE else f"account:{lane.account}",
        reason=reason,
        until=until or now + stop.pause_ms,
        detail=_detail(reply),
        doubling=until is None,
    )


def _detail(reply: Reply | None) -> str:
    """An answer's own text. Over HTTP the status is no part of it, and whoever is woken by an alert must see it."""
    if reply is None:
        return ""
    return f"{reply.code} {reply.text}".rstrip() if reply.protocol == "http" and reply.code else reply.text
