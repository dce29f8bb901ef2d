"""Accounts and lanes: how fast, how much, and whether at all."""

from __future__ import annotations

from typing import Protocol

import msgspec

from kakitome.core.pacing import Grant


class Limits(msgspec.Struct, frozen=True):
    """`rate` in recipients a second, `quota` in recipients per rolling 24 hours; None: unlimited."""

    rate: float | None = None
    quota: int | None = None


class GateState(msgspec.Struct, frozen=True):
    """A lane or account that was stopped: why, until when (ms; None: until somebody resumes it), since when."""

    gate: str
    reason: str
    until: int | None
    since: int
    detail: str = ""


class Accounts(Protocol):
    """One method is one atomic change. A gate is `account:NAME` or `lane:NAME`."""

    async def slots(self, account: str, lane: str, limits: Limits, wanted: int, now: int) -> Grant:
        """At most `wanted` slots that begin within a second, shared by all workers of the account.

        Nothing is written where there is neither rate nor quota. With `count` 0, `until` and `reason` say why. The
        quota holds in every rolling 24 hours: a quarter of an hour counts until its last moment is a day old. Where
        the clock went back, what was granted before it did is waited out.
        """
        ...

    async def give_back(self, account: str, count: int, granted: int) -> None:
        """Of the slots that were granted at `granted`, so many were not begun: they are no part of the quota."""
        ...

    async def stop(self, gate: str, reason: str, until: int | None, detail: str, now: int) -> bool:
        """Stop a lane or account. True if it was not stopped before (one journal entry for one stop).

        A stop that is in force is only ever lengthened: a lane's pause of seconds does not undo a person's word.
        """
        ...

    async def resume(self, gate: str, who: str, now: int) -> bool: ...

    async def stopped(self, now: int) -> list[GateState]: ...

    async def report(self, account: str, used: int, now: int) -> None:
        """The provider's own figure of recipients in the last 24 hours; it is believed where it is larger than ours."""
        ...
