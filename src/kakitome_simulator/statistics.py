"""What GetSendStatistics tells: counts for each quarter of an hour of the last two weeks."""

from __future__ import annotations

import msgspec

from .fate import Turn
from .ses_event import Happening

QUARTER = 15 * 60 * 1000  # milliseconds
KEPT = 14 * 24 * 4  # points


class Point(msgspec.Struct):
    at: int  # milliseconds; the beginning of the quarter
    attempts: int = 0
    bounces: int = 0
    complaints: int = 0
    rejects: int = 0


_COUNTED = {
    Turn.SEND: "attempts",
    Turn.BOUNCE: "bounces",
    Turn.SUPPRESSED: "bounces",
    Turn.COMPLAINT: "complaints",
    Turn.REJECT: "rejects",
}


class Statistics:
    """Counted by recipients. "Bounces" are hard ones; those on the account's own list do not count."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._points: dict[int, Point] = {}

    def count(self, happening: Happening) -> None:
        name = _COUNTED.get(happening.turn)
        if name is None:
            return
        at = happening.at - happening.at % QUARTER
        point = self._points.setdefault(at, Point(at))
        setattr(point, name, getattr(point, name) + len(happening.recipients))
        while len(self._points) > KEPT:
            del self._points[min(self._points)]

    def points(self) -> list[Point]:
        """In no order that one could rely on, as SES gives them: here every other one first, the newest leading."""
        newest_first = [self._points[at] for at in sorted(self._points, reverse=True)]
        return newest_first[::2] + newest_first[1::2]
