"""What alerts need of the ledger: a look that costs little, and a word on who tells."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Protocol

import msgspec

from kakitome.core.alert import Alert, Facts, Finding, GaveUp, RunSeen
from kakitome.core.ids import RunId
from kakitome.core.message import Entry

GOING = frozenset({"provider_accepted", "proof", "rejected", "exhausted", "unrenderable"})
"""Entries that say: a mail of this run left the queue. An attempt that came back says nothing of the kind."""
BEGINNING = frozenset({"campaign_running", "import_expected", "import_sealed", "person_resend"})
"""Entries that say: a person has set this run going, or has put mail back into it."""
TELLING = frozenset({"guard_warned", "guard_paused", "event_quarantined"})
"""Entries that are alerts themselves."""

TAKEN = 60_000
"""Milliseconds that who takes a telling has for it. After that it is anybody's."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """`runs`: the running ones with mail that waits or is in hand. `held`: restored from a backup, not released."""

    runs: tuple[RunSeen, ...]
    gave_up: tuple[GaveUp, ...]
    workers: int
    last_beat: int | None
    held: bool = False


class Count(msgspec.Struct, frozen=True):
    """How many of a run wait or are in hand, and how many were sent so far."""

    waiting: int
    sent: int


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal has behind the stored cursor `after`, up to `to`. `more`: it goes on behind that."""

    after: int
    to: int
    more: bool
    went: dict[RunId, int]
    begun: dict[RunId, int]
    entries: tuple[Entry, ...]


class Telling(msgspec.Struct, frozen=True):
    """A part (`raised`, `ended`) of an alert, for one channel. `tries` counts this one."""

    alert: Alert
    part: str
    channel: str
    tries: int


class Lookout(Protocol):
    """What is decided from. None of it walks over mail that waits, however much there is."""

    async def look(self, now: int) -> Sight:
        """Mail waits that is queued, of a running run, and due or tried before: since it was first claimed if ever,
        else since it was due. Mail that is scheduled, paused or in doubt does not wait, and what a doubt's end set
        going again waits since it is due: the time of the doubt was no delay."""
        ...

    async def count(self, runs: Sequence[RunId], now: int) -> dict[RunId, Count]:
        """Exact figures, for when something is told: this one does go through what waits."""
        ...

    async def news(self, n: int) -> News:
        """The next `n` journal entries behind the cursor, read for what alerts need. Changes nothing."""
        ...

    async def advance(self, news: News) -> bool:
        """Move the cursor on and keep when runs last went on. False where another reader was faster."""
        ...


class Alerts(Protocol):
    """One method is one atomic change, with its journal entry."""

    async def raise_(self, finding: Finding, channels: Sequence[str], seen: int, now: int) -> Alert | None:
        """Raise it, with one telling for each channel. None, and nothing happens, where an alert of this key is open,
        or was ended at `seen` (when the finding was looked at) or later; one that does not last, where its key was
        ever used."""
        ...

    async def renew(self, id: int, facts: Facts) -> bool:
        """Replace what an open alert says; nobody is told."""
        ...

    async def end(self, id: int, facts: Facts, channels: Sequence[str], now: int) -> bool:
        """End an open alert, with one telling for each channel; what was not told of its beginning is not told any
        more. False where it was ended before."""
        ...

    async def take(self, channels: Sequence[str], n: int, now: int) -> builtins.list[Telling]:
        """At most `n` tellings through these channels that are nobody's now. They are the caller's for `TAKEN`: each
        is in one answer only."""
        ...

    async def told(self, telling: Telling, again: int | None, now: int) -> None:
        """It was told; or, with `again`, it was not and is anybody's from then on. Nothing where it was withdrawn, or
        is somebody else's by now."""
        ...

    async def list(self, n: int) -> builtins.list[Alert]:
        """The open ones, oldest first, and behind them the `n` that ended last."""
        ...
