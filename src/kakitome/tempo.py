"""How fast the ledger has been lately. A file claims 256 mails in 4 ms; a table far away takes a request for each.

Slots begin when they are granted, and who is not there in time has missed them. So a worker claims no more at once than
it can within half a second, and asks for slots that begin when the claims will be there.
"""

from __future__ import annotations

AT_ONCE_S = 0.5
LEAST = 8
"""Mails that are claimed at once, however long it takes."""
NOTHING_S = 0.005
"""A lead shorter than this is none: slots wait longer than that."""
NEWEST = 0.3
"""The weight of the newest figure."""


class Tempo:
    def __init__(self) -> None:
        self._claim_s = 0.0
        self._check_s = 0.0

    def claimed(self, n: int, seconds: float) -> None:
        """`n` mails were claimed in so many seconds."""
        self._claim_s = _newer(self._claim_s, n, seconds)

    def checked(self, n: int, seconds: float) -> None:
        self._check_s = _newer(self._check_s, n, seconds)

    @property
    def most(self) -> int | None:
        """How many may be claimed at once; None: as many as you like."""
        each = self._claim_s + self._check_s
        return max(LEAST, int(AT_ONCE_S / each)) if each else None

    def lead(self, n: int) -> float:
        """Seconds until `n` mails that are asked for now will stand before the completing write."""
        seconds = n * (self._claim_s + self._check_s)
        return seconds if seconds >= NOTHING_S else 0.0


def _newer(known: float, n: int, seconds: float) -> float:
    """Seconds a mail."""
    if not n:
        return known
    return known + NEWEST * (seconds / n - known) if known else seconds / n
