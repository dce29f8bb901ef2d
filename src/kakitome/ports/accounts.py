"""Accounts and lanes: how fast, how much, and whether at all."""

from __future__ import annotations

from typing import Protocol

import msgspec

from kakitome.core.pacing import Grant


class Limits(msgspec.Struct, frozen=True):
    """`rate` in recipients a second, `quota` in recipients per rolling 24 hours; None: unlimited. `reserve` is the
    share of the quota (0 to 1) that lists leave to transactional mail."""

    rate: float | None = None
    quota: int | None = None
    reserve: float = 0.0


class Pace(msgspec.Struct, frozen=True):
    """Recipients of certain domains get at most `rate` mails a second, through whichever lane (`[pacing.NAME]`)."""

    name: str
    rate: float


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker asks for: `count` slots of an account, through a lane.

    `transactional`: is not held back for anybody. `pace`: the recipients' domains have one of their own. `group`:
    so many mails go out in one request. `probe`: one of these mails may be the one that tries a stopped lane, and
    `probe_ms` is how long the others wait for its outcome.

    `lead` (ms, at most `core.pacing.LONGEST_LEAD`): nobody could begin earlier, as long as it takes to claim them.

    `instead` of slots that were granted at that time (ms) and missed: quota and paces have counted the mails already,
    and the one that tries a stopped lane goes on trying.
    """

    account: str
    lane: str
    limits: Limits
    count: int
    transactional: bool = False
    pace: Pace | None = None
    group: int = 1
    probe: bool = True
    probe_ms: int = 60_000
    instead: int | None = None
    lead: int = 0


class GateState(msgspec.Struct, frozen=True):
    """A lane or account that was stopped: why, until when (ms; None: until somebody resumes it), since when.

    From `until` on it is half open: one mail at a time tries whether it works again. `strikes` counts how often it
    was stopped since it last worked.
    """

    gate: str
    reason: str
    until: int | None
    since: int
    detail: str = ""
    strikes: int = 1


class Parking(msgspec.Struct, frozen=True):
    """The account's quota is used up: for lists, or also for single mails (`lists` False), since when and until when
    (ms). Nothing is stopped by it: whoever asks is asked to come again, and goes on as soon as there is room."""

    account: str
    lists: bool
    since: int
    until: int


class Gates(Protocol):
    """What works and what is stopped. One method is one atomic change. A gate is `account:NAME` or `lane:NAME`."""

    async def stop(
        self, gate: str, reason: str, until: int | None, detail: str, now: int, doubling: bool = False
    ) -> bool:
        """Stop a lane or account. True if it worked before: one journal entry (`stopped`) for one stop, however many
        trials fail.

        A stop that is in force is only ever lengthened: a lane's pause of seconds does not undo a person's word. With
        `doubling`, each further strike doubles the pause, up to `core.breaker.LONGEST`. The reason `throttled` also
        slows the account down.
        """
        ...

    async def passed(self, account: str, lane: str, now: int) -> None:
        """A probe went through: what was half open is open, with an entry (`resumed`) that says how long it was shut.
        A gate that is stopped still, or again, stays so."""
        ...

    async def untried(self, account: str, lane: str, until: int) -> None:
        """The probe that others wait for until then (its time and `probe_ms`) was not begun: another may try now."""
        ...

    async def resume(self, gate: str, who: str, now: int) -> bool:
        """A person's word: open at once. True if it was stopped or half open."""
        ...

    async def stopped(self, now: int) -> list[GateState]:
        """The gates that do not work as they should: stopped, or half open (`until` is over) and not proved yet."""
        ...


class Accounts(Gates, Protocol):
    """Who may send how much, and when; behind the gates. One method is one atomic change."""

    async def slots(self, wanted: Wanted, now: int) -> Grant:
        """At most `wanted.count` slots that begin within a second from `wanted.lead` on, shared by all workers of the
        account.

        Nothing is written where there is neither limit nor stop. With `count` 0, `until` and `reason` say why.

        - Lists get slots that begin within a quarter of a second while transactional mail asked for the account's
          within the last ten seconds, and leave it `reserve` of the quota.
        - The quota holds in every rolling 24 hours: a quarter of an hour counts until its last moment is a day old.
          Who gets nothing because of it is `parked` until something is granted and more is left: one entry (`parked`)
          and one at its end (`unparked`), however often it was asked meanwhile.
        - Behind a stop whose time is over the gate is half open: one slot (`Grant.probe`) to whoever may probe, and
          nothing to anybody until that is known to have `passed`, was stopped again, or `probe_ms` is over.
        - A lane that has come back after a minute or more takes little at first, twice as much each minute (reason
          `returning`: another lane may take the rest). An account that was throttled goes slower, and slowly up again.
        - A `pace` holds over all accounts: what is asked for it is granted as its rate allows (reason `pace`).
        - Where the clock went back, what was granted before it did is waited out.
        """
        ...

    async def give_back(self, account: str, count: int, granted: int) -> None:
        """Of the slots that were granted at `granted`, so many were not begun, or were turned away for the account's or
        the lane's sake: they are no part of the quota."""
        ...

    async def parked(self, now: int) -> list[Parking]:
        """The accounts whose quota is used up, as far as anybody has asked for more of it."""
        ...

    async def report(self, account: str, used: int, now: int) -> None:
        """The provider's own figure of recipients in the last 24 hours; it is believed where it is larger than ours."""
        ...
