"""Figures: what became of the mail, as numbers. Counted while events are taken in; reading them reads no event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import msgspec

from kakitome.core.errors import KakitomeError
from kakitome.core.ids import RunId
from kakitome.core.statistics import LinkFigures, Point, Totals

TIMELY = ("accepted", "delivered", "bounced", "permanent", "complained", "rejected")
"""What is counted by the quarter of an hour: recipients that the provider accepted, as its reply or an event says (at
the time when the attempt began), and events by the provider's time; `permanent` bounces, as SES counts them, are among
the `bounced`."""


class Timely(msgspec.Struct, frozen=True, order=True):
    """`n` of `name` in the quarter of an hour that begins at `at` (ms), by one lane."""

    at: int
    lane: str
    name: str
    n: int


class Figures(Protocol):
    """Runs are campaigns and streams; their figures are summed. All of it holds for this moment."""

    async def totals(self, runs: Sequence[RunId]) -> Totals: ...

    async def domains(self, runs: Sequence[RunId], n: int, domain: str | None = None) -> Mapping[str, Totals]:
        """By recipient domain, those with most messages first, `n` of them; or the one that is asked for."""
        ...

    async def links(self, runs: Sequence[RunId], n: int) -> list[LinkFigures]:
        """The links that most messages were clicked in, `n` of them; equal ones by name."""
        ...

    async def machines(self, runs: Sequence[RunId]) -> Mapping[str, tuple[int, int]]:
        """Opens and clicks of machines, by reason, each touch counted."""
        ...

    async def timely(self, since: int, until: int, runs: Sequence[RunId] | None = None) -> list[Timely]:
        """By time, then lane; quarters that begin in `since <= at < until`. `runs` None: all there are."""
        ...


class PointsUnread(KakitomeError):
    """The provider did not tell its statistics. Mail is not concerned."""

    slug: ClassVar[str] = "statistics-unread"


class PointsSource(Protocol):
    async def read(self) -> list[Point]:
        """The provider's own points, in whatever order it gives them. Asks once. Raises `PointsUnread`."""
        ...
