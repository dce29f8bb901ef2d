"""How a run's mail is received, and the word of the guard that watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kakitome.core.guard import Figures, Level, Verdict
from kakitome.core.ids import RunId
from kakitome.core.message import Run


class Watched(msgspec.Struct, frozen=True):
    """A run with its figures, and what the guard said last within the present window."""

    run: Run
    figures: Figures
    verdict: Verdict | None = None


class WatchedStream(msgspec.Struct, frozen=True):
    """A stream as a whole: when its window began (ms; 0: from the start), and what the guard said last of it in this
    window, and when."""

    stream: str
    since: int = 0
    said: int = 0
    verdict: Verdict | None = None

    @property
    def level(self) -> Level:
        return self.verdict.level if self.verdict else Level.QUIET


class Guards(Protocol):
    """One method is one atomic change; see `Messages` for what that means.

    A window begins with the run, when somebody resumes a run that the guard paused, and at `begin_window`. A message
    belongs to the window in which its last attempt began: a bounce that comes late is counted where the mail was sent,
    or not any more.

    A stream as a whole has a window of its own, which knows no figures: they are the sums of its runs'. It begins at
    `begin_stream_window`, and (in the same change as the run's) when somebody resumes a run that the guard paused while
    the last word on the stream is a pause: what went out before must not stop it again.
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

    async def streams(self) -> Sequence[WatchedStream]:
        """All streams of which anything was ever said, by name; of any other one, `since` is 0 and nothing was said."""
        ...

    async def say_of_stream(self, stream: str, since: int, verdict: Verdict, now: int) -> Sequence[RunId] | None:
        """Say this of a stream as a whole; answers the runs that it was entered for, by id.

        PAUSED pauses every running run of the stream, makes the verdict that run's own (so that its window begins anew
        when somebody resumes it) and writes `guard_paused` for it. WARNED writes one `guard_warned`, for the run of the
        stream's single mails if there is one, else for the newest campaign that is running or done. Once: None, and
        nothing happens, if as much or more was said in this window, if the window that began at `since` is over, or if
        there is no such run."""
        ...

    async def begin_stream_window(self, stream: str, since: int, to: int) -> bool:
        """The stream's window begins at `to`, or a millisecond after the one before if that is later, and nothing was
        said in it; if the one that began at `since` is still the present one."""
        ...
