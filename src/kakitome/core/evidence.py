"""When silence means "not accepted".

An event of an attempt proves its acceptance. The absence of one proves nothing by itself: it counts only where the
event stream shows itself complete around the attempt, and even then leaves a probability, which is stored and shown.
"""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec

LEAST_NEIGHBOURS = 20
STREAK = 1_000

NO_PROOF = (
    "No proof is possible: the lane's provider does not tell what became of each mail, so only its reply was "
    "evidence. Ask the recipient."
)
"""What is known of a doubt on a lane without events; said to people."""


class LaneRecord(msgspec.Struct, frozen=True):
    """What the ledger knows of a lane's events around one attempt in doubt.

    `neighbours` attempts of the lane were accepted by reply within the neighbourhood of the attempt, `neighbours_seen`
    of them have an event. `streak` are the lane's last acceptances past the horizon (at most 1,000), `streak_seen`
    those with an event. `latest` is the newest provider time seen in any event of the lane.
    """

    neighbours: int
    neighbours_seen: int
    streak: int
    streak_seen: int
    latest: int | None


class Verdict(StrEnum):
    WAIT = "wait"  # it is too early, or the events are not complete enough to say
    NOT_ACCEPTED = "not_accepted"


def judge(record: LaneRecord, begun: int, horizon: int) -> Verdict:
    """`begun` and `horizon` in milliseconds. Time passes only as the event stream itself shows it (condition c)."""
    complete = record.neighbours >= LEAST_NEIGHBOURS and record.neighbours_seen == record.neighbours
    unbroken = record.streak_seen == record.streak and record.streak >= LEAST_NEIGHBOURS
    past = record.latest is not None and record.latest >= begun + horizon
    return Verdict.NOT_ACCEPTED if complete and unbroken and past else Verdict.WAIT


def residual(record: LaneRecord) -> float:
    """The bound on the probability that an accepted mail looks like this: 1/(e·n) for n complete neighbours.

    If each event is lost independently with probability p, this one is lost and n others are not with p(1-p)^n, at
    most 1/(e·n) whatever p is (n = 20: 1.8 %; 1,000: 0.04 %).
    """
    n = max(record.streak, record.neighbours)
    return 1.0 if n == 0 else min(1.0, 1.0 / (math.e * n))
