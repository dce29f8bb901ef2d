"""Messages in the ledger: the changes that send them, and what the sweeper needs.

One method is one atomic change with its journal entries and counters. Batches everywhere; each item succeeds or fails
by itself, and a later call sees all of an earlier one or nothing. All times are milliseconds since 1970, UTC, and are
arguments. Every method may raise `LedgerUnavailable`: then nothing of the call happened, or it is not known; asking
again is always safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kakitome.core.errors import KakitomeError
from kakitome.core.evidence import LaneRecord
from kakitome.core.ids import Fence, MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import MOVES, Cause, Need
from kakitome.core.message import Admitted, Claimed, Settlement, Submission
from kakitome.core.policy import Horizons, Policy

OUTCOMES: frozenset[Cause] = frozenset(m.cause for m in MOVES if m.needs is Need.FENCE)
"""How an attempt may end: what `settle` takes."""

RESENDS: frozenset[Cause] = frozenset({Cause.SILENCE, Cause.POLICY_RESEND})
"""Kakitome's own decisions to send once more."""

DECISIONS: frozenset[Cause] = (
    RESENDS | {Cause.DEADLINE, Cause.PROOF} | {m.cause for m in MOVES if m.needs is Need.PERSON}
)
"""What `resolve` takes."""


class Settled(msgspec.Struct, frozen=True):
    """`moved`: changes of state, also those by an old fence's proof. `stale`: outcomes of old fences, kept on their
    attempts. An outcome of an attempt that the ledger does not know counts nowhere."""

    moved: int
    stale: int


class Doubt(msgspec.Struct, frozen=True):
    """A message in doubt whose time to look has come. `begun` is when its newest attempt was claimed, `stream` whose
    mail it is."""

    id: MessageId
    fence: Fence
    run: RunId
    policy: Policy
    lane: str
    begun: int
    since: int
    resends: int
    stream: str


class Messages(Protocol):
    """The life of messages."""

    async def admit(self, submissions: Sequence[Submission], now: int) -> list[Admitted | KakitomeError]:
        """Store each submission durably with one queued message per recipient, in the order given.

        A known key with the same body hash gives the first ids again (`fresh` false); with another body hash the item
        is `IdempotencyConflict`; an unknown run is `NotFound`. Keys are forgotten at their `key_until`.
        """
        ...

    async def due(self, run: RunId, n: int, now: int, pace: str = "") -> list[MessageId]:
        """At most `n` queued messages of the run that are due, oldest due first. Only a look: claims nothing.

        Only those of one pace (`NewMessage.pace`), so that what must wait for its pace keeps nobody else waiting.
        """
        ...

    async def claim(self, ids: Sequence[MessageId], worker: str, lane: str, lease: int, now: int) -> list[Claimed]:
        """Claim those of `ids` that are queued, due, and of a running run; the others are left out of the answer.

        Each claim raises the message's fence and writes its attempt. The claim is durable when this returns: it is
        the intent that precedes the effect. `lease` is the time at which the claim ends by itself. The answer is in
        the order of `ids`.
        """
        ...

    async def check(self, claims: Sequence[tuple[MessageId, Fence]], now: int) -> dict[MessageId, Cause]:
        """Those of the claims that must not start now, and why: a read of what is committed.

        The first that holds: `released` (the claim is not the newest, or not of a message that we have), `cancelled`,
        `expired`, `suppressed`, `released` (the run is not running). Whatever is not in the answer may start within
        the next second ("an attempt starts" means this read).
        """
        ...

    async def settle(self, settlements: Sequence[Settlement], now: int) -> Settled:
        """Write outcomes. The state changes as `lifecycle.MOVES` says, and only for the newest fence.

        The outcome is written to its attempt whatever the fence; there a certain outcome takes the place of a doubt,
        and an acceptance that of anything. `provider_accepted` is proof where it is no move of its own: the message
        becomes `sent`. Copies are possible once two attempts are known to be accepted, or one is while a newer one
        is on its way or in doubt. A message that comes back to queued after somebody withdrew it is cancelled at
        once. Raises `ValueError`, and does nothing, for a cause that is not in `OUTCOMES`.
        """
        ...

    async def contents(self, submissions: Sequence[SubmissionId]) -> dict[SubmissionId, bytes]:
        """The stored contents of submissions."""
        ...

    async def cancel(self, ids: Sequence[MessageId], who: str, now: int) -> list[MessageId]:
        """Withdraw messages: queued ones at once, claimed ones at their next check, and those in doubt when they
        would be sent again. Answers those it concerned."""
        ...

    async def resolve(self, ids: Sequence[MessageId], cause: Cause, who: str, note: str, now: int) -> list[MessageId]:
        """Move messages on that no outcome moves: `silence`, `policy_resend`, `deadline`, `proof`, `person_…`.

        Moves those whose state allows the cause, answers them; `silence` and `policy_resend` count as a resend, of
        which a message has one at most: whoever saw an older doubt of it moves nothing. Every way back to queued makes
        the message due now. Its time is over when it was: only a person, who was shown that it is past, may send it all
        the same, and then it has no end any more. A campaign that was done runs again. What was withdrawn becomes
        cancelled instead, unless a person decides to send it; nothing goes back to queued in a cancelled campaign.
        `proof` is of the newest attempt, and needs one. `who` is the person or the part of Kakitome that decided,
        `note` the reason, with the figures. Raises `ValueError` for a cause that is not in `DECISIONS`.
        """
        ...


class Sweeps(Protocol):
    """What the sweeper asks and does. Every method is bounded by `n` and may be called from many places at once."""

    async def expire(self, n: int, now: int) -> int:
        """Expire queued messages whose time is over, also of paused runs and stopped lanes."""
        ...

    async def lease_over(self, n: int, now: int) -> int:
        """Put messages in doubt whose lease is over, or whose worker's heartbeat is `HEARTBEAT_LIMIT` old. Never back
        to queued: a stopped process may still wake and write. A worker that never began has only its leases."""
        ...

    async def doubts(self, n: int, now: int) -> list[Doubt]:
        """Messages in doubt that are due for a look, oldest first."""
        ...

    async def record(self, lane: str, begun: int, horizons: Horizons, now: int) -> LaneRecord:
        """What the events of a lane show around an attempt. Acceptances count by the second in which they were
        settled: neighbours from the first to the last second of the neighbourhood, the streak in whole seconds."""
        ...

    async def look_again(self, ids: Sequence[MessageId], at: int) -> None:
        """Look at these doubts again at `at`."""
        ...
