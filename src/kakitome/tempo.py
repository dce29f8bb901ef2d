"""How fast the ledger has been lately. A file grants, claims and checks 256 mails in 5 ms; a table far away takes a
round trip for each grant and a request for each claim.

Slots begin when they are granted, and who is not there in time has missed them. So a worker claims no more at once than
it can within half a second, and asks for slots that begin when the claims will be there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kakitome.core.pacing import LONGEST_LEAD

AT_ONCE_S = 0.5
LEAST = 8
"""Mails that are claimed at once, however long it takes."""
NOTHING_S = 0.01
"""A lead shorter than this is none: a slot waits longer than that."""
NEWEST = 0.25
"""The weight of the newest figure."""
SPREADS = 1.0
"""How many of its usual deviations something may take longer than usual. A slot that is missed costs one more request;
one that is asked for much too late holds the whole batch up."""


@dataclass
class Usual:
    """Seconds that something takes for one mail, or once: the mean, and the mean deviation from it."""

    mean: float = 0.0
    spread: float = 0.0

    def took(self, seconds: float) -> None:
        if not self.mean:
            self.mean, self.spread = seconds, seconds / 4
            return
        self.spread += NEWEST * (abs(seconds - self.mean) - self.spread)
        self.mean += NEWEST * (seconds - self.mean)

    @property
    def at_most(self) -> float:
        return self.mean + SPREADS * self.spread


@dataclass
class Tempo:
    _grant: Usual = field(default_factory=Usual)
    _claim: Usual = field(default_factory=Usual)
    _check: Usual = field(default_factory=Usual)

    def granted(self, seconds: float) -> None:
        """Asking for slots took so long."""
        self._grant.took(seconds)

    def claimed(self, n: int, seconds: float) -> None:
        """`n` mails were claimed in so many seconds."""
        if n:
            self._claim.took(seconds / n)

    def checked(self, n: int, seconds: float) -> None:
        if n:
            self._check.took(seconds / n)

    def most(self, n: int) -> int:
        """How many of `n` may be claimed at once."""
        each = self._claim.mean + self._check.mean
        return min(n, max(LEAST, int(AT_ONCE_S / each))) if each else n

    def look(self, checks: int) -> float:
        """Seconds that a check of so many takes."""
        seconds = checks * self._check.at_most
        return seconds if seconds >= NOTHING_S else 0.0

    def lead(self, claims: int, checks: int) -> float:
        """Seconds from asking for slots until those mails stand before the completing write: so many are claimed
        before it, and so many are checked."""
        each = claims * self._claim.at_most + checks * self._check.at_most
        seconds = self._grant.at_most + each
        return min(seconds, LONGEST_LEAD / 1000) if seconds >= NOTHING_S else 0.0
