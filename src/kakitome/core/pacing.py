"""Slots: when a mail may begin, so that no one-second window ever holds more than the account's rate.

A slot begins with the completing write. Slots are spaced (1 + ε)/rate: spacing of exactly 1/14 s puts 15 mails into
some windows of one second. A slot that was not begun within ε/2 s is forfeited; the other ε/2 s is for the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

EPSILON = 0.05
LATEST_MS = 1000 * EPSILON / 2
FASTEST = 2_000  # a second; above it slots would be over before their batch is claimed, and nothing would ever begin
QUOTA_BUCKET = 15 * 60 * 1000
QUOTA_BUCKETS = 96  # of a quarter of an hour each: the rolling 24 hours that a provider counts


class Grant(msgspec.Struct, frozen=True):
    """`count` slots; slot k begins at `begin + k * spacing`. Times in milliseconds, with fractions.

    With `count` 0, `until` says when asking again makes sense and `reason` what stands in the way. `probe`: the one
    slot is for a mail that tries whether a stopped lane or account works again.
    """

    count: int
    begin: float = 0.0
    spacing: float = 0.0
    until: int = 0
    reason: str = ""
    probe: bool = False

    def slot(self, k: int) -> float:
        return self.begin + k * self.spacing


class Slots:
    """When parcels may begin, in monotonic seconds. A slot is nobody's own: who missed one takes the next.

    If each parcel had its own, one that a worker or server is too slow for would miss it behind DATA, lose its
    connection, and with the time that this takes all those after it would miss theirs.
    """

    def __init__(self, slots: Sequence[float]) -> None:
        self._free = deque(slots)
        self._taken: dict[int, float] = {}

    def take(self, index: int, now: float) -> float | None:
        """The parcel's slot, or while that is missed the next. None: there is none any more."""
        while self.missed(index, now):
            if not self._free:
                return None
            self._taken[index] = self._free.popleft()
        return self._taken[index]

    def missed(self, index: int, now: float) -> bool:
        return now - self._taken.get(index, float("-inf")) > LATEST_MS / 1000


def spacing_ms(rate: float) -> float:
    return 1000.0 * (1.0 + EPSILON) / rate


def grant(wanted: int, rate: float | None, next_slot: float, now: float) -> tuple[Grant, float]:
    """Slots that begin within the next second, and the account's new `next_slot`. No rate, or one that is beyond a
    worker's reach: all of them, at once; the provider's own throttle costs no mail an attempt."""
    if rate is None or rate > FASTEST:
        return Grant(wanted, now, 0.0), next_slot
    spacing = spacing_ms(rate)
    begin = max(now, next_slot)
    count = min(wanted, int((now + 1000.0 - begin) / spacing) + 1 if begin < now + 1000.0 else 0)
    if count <= 0:
        return Grant(0, until=int(begin - 1000.0) + 1, reason="rate"), next_slot
    return Grant(count, begin, spacing), begin + count * spacing


def quota_left(quota: int | None, used: int, providers_figure: int | None) -> int | None:
    """How many recipients the rolling day still takes; the larger of our count and the provider's is believed.

    The provider may show more sent than its maximum (431 of 200, seen with SES): nothing is left then.
    """
    if quota is None:
        return None
    return max(0, quota - max(used, providers_figure or 0))
