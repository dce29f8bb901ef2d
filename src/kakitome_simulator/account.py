"""What the provider allows this account: rate, quota, sandbox, suspension. All counts are in recipients.

SES counts API and SMTP together. Mails to its mailbox simulator are under the rate, but not under the quota.
"""

from __future__ import annotations

from collections import deque

from . import refusal
from .clock import SECOND
from .refusal import Refusal

SIMULATOR_DOMAIN = "simulator.amazonses.com"
SANDBOX_RATE = 1
SANDBOX_QUOTA = 200
DAY = 24 * 60 * 60 * SECOND


class SlidingCount:
    """How many fell into the window `(now - span, now]`, and the most that ever did.

    Entries closer together than `grain` are counted at the time of the last of them, so that 24 hours of traffic stay
    small; with a grain of 0 the count is exact.
    """

    def __init__(self, span: int, grain: int = 0) -> None:
        self._span = span
        self._grain = grain
        self._entries: deque[list[int]] = deque()
        self._total = 0
        self.peak = 0

    def at(self, ticks: int) -> int:
        while self._entries and self._entries[0][0] <= ticks - self._span:
            self._total -= self._entries.popleft()[1]
        return self._total

    def add(self, ticks: int, count: int) -> None:
        self._total = self.at(ticks) + count
        self.peak = max(self.peak, self._total)
        if self._entries and ticks // max(1, self._grain) == self._entries[-1][0] // max(1, self._grain):
            self._entries[-1][0] = ticks
            self._entries[-1][1] += count
        else:
            self._entries.append([ticks, count])


class Account:
    """The account's limits, which may be changed at any time, and what was offered and taken so far."""

    def __init__(self, rate: int | None, quota: int | None, sandbox: bool, verified: frozenset[str]) -> None:
        self.sandbox = sandbox
        self.suspended = False
        self.paused = False
        self.verified = {name.lower() for name in verified}
        self._rate = rate
        self._quota = quota
        self.reset()

    def reset(self) -> None:
        """Forget the traffic, keep the limits."""
        self.offered = SlidingCount(SECOND)
        self.taken = SlidingCount(SECOND)
        self.today = SlidingCount(DAY, grain=SECOND)
        self.told = 0  # how often somebody was told what this account may

    @property
    def rate(self) -> int | None:
        return SANDBOX_RATE if self._rate is None and self.sandbox else self._rate

    @rate.setter
    def rate(self, rate: int | None) -> None:
        self._rate = rate

    @property
    def quota(self) -> int | None:
        return SANDBOX_QUOTA if self._quota is None and self.sandbox else self._quota

    @quota.setter
    def quota(self, quota: int | None) -> None:
        self._quota = quota

    def pretend(self, sent: int, ticks: int) -> None:
        """So many recipients in the last 24 hours, whatever was taken here; SES may show more than its own quota."""
        self.today.add(ticks, sent - self.today.at(ticks))

    def refuses(self, recipients: tuple[str, ...], ticks: int) -> Refusal | None:
        """Why this mail cannot be taken now; a mail is taken for all of its recipients or for none."""
        self.offered.add(ticks, len(recipients))
        if self.suspended:
            return refusal.SUSPENDED
        if self.paused:
            return refusal.PAUSED
        if self.sandbox and (strangers := self.strangers(recipients)):
            return refusal.not_verified(strangers)
        if self.quota is not None and self.today.at(ticks) + _counted(recipients) > self.quota:
            return refusal.QUOTA
        if self.rate is not None and self.taken.at(ticks) + len(recipients) > self.rate:
            return refusal.THROTTLED
        return None

    def take(self, recipients: tuple[str, ...], ticks: int) -> None:
        self.taken.add(ticks, len(recipients))
        self.today.add(ticks, _counted(recipients))

    def strangers(self, recipients: tuple[str, ...]) -> list[str]:
        """The recipients that a sandbox account may not write to."""
        known = self.verified | {SIMULATOR_DOMAIN}
        return [r for r in recipients if r.lower() not in known and _domain(r) not in known]


def _counted(recipients: tuple[str, ...]) -> int:
    return sum(_domain(recipient) != SIMULATOR_DOMAIN for recipient in recipients)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
