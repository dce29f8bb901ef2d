"""Rows of a list that are taken into a running campaign from many places at once (a Distributed Map's children).

`Runs.append` takes a list in from its first line to its last, and nothing is sent before the last one is there. Here
the list was read and counted before (`campaign.plan`); each row goes into the ledger together with its claim, in any
order, any number of times, and whoever is cut off leaves rows `missing` that somebody takes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kakitome.core.ids import RunId
from kakitome.core.message import Claimed, Run
from kakitome.ports.runs import ImportRow


class Claiming(msgspec.Struct, frozen=True):
    """Whose the rows are from the start, through which lane, until when (ms)."""

    worker: str
    lane: str
    lease: int


class Taken(msgspec.Struct, frozen=True):
    """`claims`: the rows that are in the caller's hands now, in the order given. `fresh` became messages by this call
    or an earlier one with the same line; the others are an address's second line of this list (`duplicate`), or have
    their message from another list (`already`)."""

    claims: tuple[Claimed, ...] = ()
    fresh: int = 0
    duplicate: int = 0
    already: int = 0


class Rows(Protocol):
    """One method is one atomic change for each row; see `Messages` for what that means."""

    async def expect(self, run: RunId, digest: str, rows: int, now: int) -> Run:
        """Begin an import whose rows (so many, the bad ones included) come while the campaign runs. It becomes
        `running`, is not `done` before `close`, and what has not come yet is `missing` in its account.

        Said again, with the same digest: nothing changes, also where it is closed. `StateError` if the campaign is
        cancelled or taking in another list, or where the number of rows was another one.
        """
        ...

    async def take(
        self, run: RunId, digest: str, rows: Sequence[ImportRow], claim: Claiming | None, due: int, now: int
    ) -> Taken:
        """Rows become messages: with `claim` as `sending`, with their first attempt (`admitted_with_claim`), in the
        caller's hands when this returns; without, or while the campaign does not run, as `queued`.

        So are those that are due later. A row that is there by its own line counts as nothing new; it is claimed if it
        is queued and due. Claimed ones of somebody else are left out. A line is said for one address only. `NotFound`
        if nothing of this digest was expected, `StateError` if it is closed.
        """
        ...

    async def bad(self, run: RunId, digest: str, lines: Sequence[int], now: int) -> None:
        """These lines have no good address. Said again, they count once. Errors as for `take`."""
        ...

    async def close(self, run: RunId, digest: str, now: int) -> int:
        """No more rows of this list come. Answers how many are missing; only where none is, the import is closed.
        `NotFound` if nothing of this digest was expected."""
        ...
