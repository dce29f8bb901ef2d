"""How a run's mail is received, and the word of the guard that watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kakitome.core.guard import Figures, Verdict
from kakitome.core.ids import RunId
from kakitome.core.message import Run


class Watched(msgspec.Struct, frozen=True):
    """A run with its figures, and what the guard said last within the present window."""

    run: Run
    figures: Figures
    verdict: Verdict | None = None


class Guards(Protocol):
    """One method is one atomic change; see `Messages` for what that means.

    A window begins with the run, when somebody resumes a run that the guard paused, and at `begin_window`. A message
    belongs to the window in which its last attempt began: a bounce that comes late is counted where the mail was sent,
    or not any more.
    """

    async def watched(self, campaign: RunId | None = None, since: int | None = None) -> Sequence[Watched]:
        """All running runs, and campaigns made since then that are done, by id; or this one, whatever its state.
        `sent` is what was sent since the window began."""
        ...

    async def say(self, run: RunId, since: int, verdict: Verdict, now: int) -> bool:
        """Write `guard_warned` or `guard_paused` with the verdict; the latter pauses the run. Once: False, and nothing
        happens, if the guard said as much or more in this window, if the window that began at `since` is over, or if
        the run is not running; of one that is done it may be warned."""
        ...

    async def begin_window(self, run: RunId, since: int, now: int) -> bool:
        """The figures begin anew, if those since `since` are still the present ones."""
        ...
