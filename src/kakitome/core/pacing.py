"""Slots: when a mail may begin, so that no one-second window ever holds more than the account's rate.

A slot begins with the completing write. Slots are spaced (1 + ε)/rate: spacing of exactly 1/14 s puts 15 mails into
some windows of one second. The mails of one request, a group, share a slot. A slot that was not begun within ε/2 s is
forfeited; the other ε/2 s is for the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

from kakitome.core.address import Address

EPSILON = 0.05
LATEST_MS = 1000 * EPSILON / 2
FASTEST = 2_000  # a second; above it slots would be over before their batch is claimed, and nothing would ever begin
AHEAD = 1000.0
AHEAD_OF_LISTS = 250.0
"""Milliseconds within which a granted slot begins; that of a list, while transactional mail asks, in a quarter."""
LONGEST_LEAD = 1000
"""Milliseconds later than now that slots may be asked for, by whoever needs so long to be there."""
ASKS_LAST = 10_000
"""Milliseconds that transactional mail counts as asking."""
QUOTA_BUCKET = 15 * 60 * 1000
QUOTA_BUCKETS = 96  # of a quarter of an hour each: the rolling 24 hours that a provider counts


class Grant(msgspec.Struct, frozen=True):
    """`count` slots; slot k begins at `begin + k // group * spacing`: those of a group go out in one request. Times in
    milliseconds, with fractions.

    With `count` 0, `until` says when asking again makes sense and `reason` what stands in the way. `probe`: the one
    slot is for a mail that tries whether a stopped lane or account works again.
    """

    count: int
    begin: float = 0.0
    spacing: float = 0.0
    until: int = 0
    reason: str = ""
    probe: bool = False
    group: int = 1

    def slot(self, k: int) -> float:
        return self.begin + k // self.group * self.spacing


class Paced(msgspec.Struct, frozen=True):
    """How far an account's slots are granted: when the next one begins, if its group is as large as the last was."""

    next_slot: float = 0.0
    group: int = 1


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

    def add(self, slots: Sequence[float]) -> None:
        """More of them, behind those that are left."""
        self._free.extend(slots)

    def missed(self, index: int, now: float) -> bool:
        return now - self._taken.get(index, float("-inf")) > LATEST_MS / 1000


def spacing_ms(rate: float, group: int = 1) -> float:
    """From a group to the next of its size, so that no second holds more than `rate` mails."""
    return 1000.0 * (1.0 + EPSILON) / (rate if group == 1 else max(1, int(rate / group)))


def group_of(rate: float | None, most: int) -> int:
    """How many mails go out in one request that takes `most`: as many as fit evenly into the second's rate."""
    if rate is None or rate > FASTEST:
        return most
    return max(1, int(rate / ceil(rate / most)))


def grant(
    wanted: int, rate: float | None, paced: Paced, now: float, most: int = 1, ahead: float = AHEAD, lead: float = 0
) -> tuple[Grant, Paced]:
    """Slots that begin within `ahead` ms from `lead` ms on, in groups where one request takes `most` mails, and how far
    the account is granted now. No rate, or one that is beyond a worker's reach: all of them, at once; the provider's
    own throttle costs no mail an attempt."""
    group = group_of(rate, most) if wanted > 1 else 1
    if rate is None or rate > FASTEST:
        return Grant(wanted, now, group=group), paced
    # Nothing was ever granted further ahead than this, unless the clock went back since: then what was granted still
    # has at most two seconds to go, and that much is waited.
    next_slot = min(paced.next_slot, now + AHEAD + LONGEST_LEAD + spacing_ms(rate, paced.group))
    spacing, end = spacing_ms(rate, group), now + min(lead, LONGEST_LEAD) + ahead
    begin = max(end - ahead, next_slot + _behind(rate, paced.group, group))
    if begin >= end or wanted <= 0:
        until = int(now + begin - end) + 1
        return Grant(0, until=until, reason="rate"), msgspec.structs.replace(paced, next_slot=next_slot)
    count = min(wanted, (int((end - begin) / spacing) + 1) * group)
    return Grant(count, begin, spacing, group=group), Paced(begin + ceil(count / group) * spacing, group)


def _behind(rate: float, before: int, group: int) -> float:
    """How much longer (ms) a group waits behind one of another size.

    Between neighbours of sizes a and b lie max(a, b) mails' time where one of them is a single mail, and a whole second
    where both are groups. So what begins within (1 + ε) s is at most `rate` mails, by counting the gaps: each group has
    one of its own size beside it, each single mail but one has one of a mail's time.
    """
    if group in (1, before):
        return 0.0
    return (spacing_ms(rate, group) if before == 1 else 1000.0 * (1.0 + EPSILON)) - spacing_ms(rate, before)


def burst(rate: float) -> int:
    """The most that a pace lets go at once: what it lets go in a second, and one where that is less."""
    return max(1, int(rate))


def room(rate: float, spent: float, now: float) -> tuple[int, int]:
    """How many a pace of `rate` mails a second lets go now, and until when (ms) to wait where it is none. `spent`: when
    all that went would have gone at an even pace."""
    each = 1000.0 / rate
    longest = burst(rate) * each
    spent = min(max(now, spent), now + longest)  # beyond that only where the clock went back, or the rate rose
    return int((now + longest - spent) / each + 1e-6), ceil(spent + each - longest)


def spend(rate: float, spent: float, now: float, count: int) -> float:
    """The new `spent` of a pace that let `count` mails go."""
    each = 1000.0 / rate
    return min(max(now, spent), now + burst(rate) * each) + count * each


def lists_quota(quota: int | None, reserve: float) -> int | None:
    """What lists may use of the quota, where they leave `reserve` (a share) to transactional mail. Rounded up."""
    return None if quota is None else quota - int(quota * reserve + 1e-9)


def quota_left(quota: int | None, used: int, providers_figure: int | None) -> int | None:
    """How many recipients the rolling day still takes; the larger of our count and the provider's is believed.

    The provider may show more sent than its maximum (431 of 200, seen with SES): nothing is left then.
    """
    if quota is None:
        return None
    return max(0, quota - max(used, providers_figure or 0))


def is_news(known: int, until: int) -> bool:
    """Whether the end of a parking has moved so far that it is written anew (ms): who is parked asks all the time."""
    return abs(until - known) >= 60_000


class Paces:
    """Which pace an address has: that of its domain, if one was configured. Subdomains have none of their parents'."""

    def __init__(self, domains: Mapping[str, str] | None = None) -> None:
        """`domains`: from each domain (A-labels, in lower case) to the name of its pace."""
        self._domains = dict(domains or {})

    def of(self, address: Address) -> str:
        """The pace's name, "" where the domain has none."""
        return self._domains.get(address.domain, "")
