"""The life of a message, as data.

Rule 1. `MOVES` is the whole truth: a change that is not a row here does not happen. Ledgers take the states that a
        cause may leave from this table, and `docs/life-of-a-message.md` is drawn from it.
Rule 2. Every claim raises the fence. A row that needs the fence is for the newest claim only.
Rule 3. What is certainly not accepted may be tried again. What may have been accepted is in doubt, and leaves doubt
        only by proof, by evidence, by the stream's policy or by a person.
Rule 4. Proof that any attempt was accepted leads to `sent` from everywhere.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec


class State(IntEnum):
    """Where a message is in our hands. The numbers are stored; never renumber."""

    QUEUED = 0  # waits for its time; a worker moves it on; a crash leaves it as it is
    SENDING = 1  # claimed; its worker moves it on; a crash leaves it to the reaper (`sweep.reap`)
    SENT = 2  # the next hop took responsibility; final, only events follow
    IN_DOUBT = 3  # may or may not have been accepted; evidence, a late reply or the deadline moves it on
    FAILED = 4  # refused for good
    DEAD = 5  # retries exhausted or could not be rendered; a person may queue it again
    UNRESOLVED = 6  # in doubt past the deadline; only a person (or proof) moves it on
    SUPPRESSED = 7  # its recipient must not be written to
    CANCELLED = 8  # withdrawn before it went
    EXPIRED = 9  # its time was over before it went; a person may queue it again
    CLOSED = 10  # a person decided that it shall not go

    @property
    def word(self) -> str:
        return self.name.lower()


class Cause(StrEnum):
    """Why a message moves."""

    ACCEPTED = "accepted"
    ADMITTED_WITH_CLAIM = "admitted_with_claim"
    CLAIMED = "claimed"
    RELEASED = "released"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PROVIDER_ACCEPTED = "provider_accepted"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    UNRENDERABLE = "unrenderable"
    UNCERTAIN = "uncertain"
    LEASE_OVER = "lease_over"
    WORKER_GONE_UNMARKED = "worker_gone_unmarked"
    WORKER_GONE_MARKED = "worker_gone_marked"
    PROOF = "proof"
    SILENCE = "silence"
    POLICY_RESEND = "policy_resend"
    DEADLINE = "deadline"
    PERSON_RESEND = "person_resend"
    PERSON_SENT = "person_sent"
    PERSON_CLOSED = "person_closed"


class Need(StrEnum):
    """What a change needs beside its cause."""

    NOTHING = "nothing"
    FENCE = "fence"  # the newest claim
    PROOF = "proof"  # a reply or event that shows acceptance
    PERSON = "person"  # somebody's decision, with a name


class Move(msgspec.Struct, frozen=True):
    origin: State | None  # None: the message comes into being
    cause: Cause
    to: State
    costs_attempt: bool = False
    needs: Need = Need.NOTHING


_S, _C, _N = State, Cause, Need

MOVES: tuple[Move, ...] = (
    Move(None, _C.ACCEPTED, _S.QUEUED),
    Move(None, _C.ADMITTED_WITH_CLAIM, _S.SENDING),
    Move(_S.QUEUED, _C.CLAIMED, _S.SENDING),
    # Withdrawn: queued, or claimed and certainly not on the wire.
    Move(_S.QUEUED, _C.SUPPRESSED, _S.SUPPRESSED),
    Move(_S.QUEUED, _C.CANCELLED, _S.CANCELLED),
    Move(_S.QUEUED, _C.EXPIRED, _S.EXPIRED),
    Move(_S.SENDING, _C.SUPPRESSED, _S.SUPPRESSED, needs=_N.FENCE),
    Move(_S.SENDING, _C.CANCELLED, _S.CANCELLED, needs=_N.FENCE),
    Move(_S.SENDING, _C.EXPIRED, _S.EXPIRED, needs=_N.FENCE),
    # The outcome of an attempt; from `in_doubt` it is the late reply of the newest attempt.
    Move(_S.SENDING, _C.PROVIDER_ACCEPTED, _S.SENT, costs_attempt=True, needs=_N.FENCE),
    Move(_S.SENDING, _C.DEFERRED, _S.QUEUED, costs_attempt=True, needs=_N.FENCE),
    Move(_S.SENDING, _C.EXHAUSTED, _S.DEAD, costs_attempt=True, needs=_N.FENCE),
    Move(_S.SENDING, _C.REJECTED, _S.FAILED, costs_attempt=True, needs=_N.FENCE),
    Move(_S.SENDING, _C.UNAVAILABLE, _S.QUEUED, needs=_N.FENCE),
    Move(_S.SENDING, _C.UNRENDERABLE, _S.DEAD, needs=_N.FENCE),
    Move(_S.SENDING, _C.RELEASED, _S.QUEUED, needs=_N.FENCE),
    Move(_S.SENDING, _C.UNCERTAIN, _S.IN_DOUBT, costs_attempt=True, needs=_N.FENCE),
    Move(_S.IN_DOUBT, _C.PROVIDER_ACCEPTED, _S.SENT, needs=_N.FENCE),
    Move(_S.IN_DOUBT, _C.DEFERRED, _S.QUEUED, needs=_N.FENCE),
    Move(_S.IN_DOUBT, _C.EXHAUSTED, _S.DEAD, needs=_N.FENCE),
    Move(_S.IN_DOUBT, _C.REJECTED, _S.FAILED, needs=_N.FENCE),
    Move(_S.IN_DOUBT, _C.UNAVAILABLE, _S.QUEUED, needs=_N.FENCE),
    Move(_S.IN_DOUBT, _C.RELEASED, _S.QUEUED, needs=_N.FENCE),
    # The worker says nothing any more.
    Move(_S.SENDING, _C.WORKER_GONE_UNMARKED, _S.QUEUED, needs=_N.FENCE),
    Move(_S.SENDING, _C.WORKER_GONE_MARKED, _S.IN_DOUBT, costs_attempt=True, needs=_N.FENCE),
    Move(_S.SENDING, _C.LEASE_OVER, _S.IN_DOUBT, costs_attempt=True, needs=_N.FENCE),
    # Doubt.
    Move(_S.IN_DOUBT, _C.SILENCE, _S.QUEUED),
    Move(_S.IN_DOUBT, _C.POLICY_RESEND, _S.QUEUED),
    Move(_S.IN_DOUBT, _C.DEADLINE, _S.UNRESOLVED),
    # A person decides.
    *(Move(s, _C.PERSON_RESEND, _S.QUEUED, needs=_N.PERSON) for s in (_S.UNRESOLVED, _S.DEAD, _S.EXPIRED)),
    *(Move(s, _C.PERSON_SENT, _S.SENT, needs=_N.PERSON) for s in (_S.UNRESOLVED, _S.DEAD, _S.EXPIRED)),
    *(Move(s, _C.PERSON_CLOSED, _S.CLOSED, needs=_N.PERSON) for s in (_S.UNRESOLVED, _S.DEAD, _S.EXPIRED)),
    # Rule 4.
    *(Move(s, _C.PROOF, _S.SENT, needs=_N.PROOF) for s in State if s is not _S.SENT),
)

_BY_ORIGIN: dict[tuple[State | None, Cause], Move] = {(m.origin, m.cause): m for m in MOVES}
_ORIGINS: dict[Cause, tuple[State, ...]] = {
    c: tuple(m.origin for m in MOVES if m.cause is c and m.origin is not None) for c in Cause
}

OPEN: frozenset[State] = frozenset({_S.QUEUED, _S.SENDING, _S.IN_DOUBT})
"""States from which Kakitome itself still moves a message on. Everything else is final, or waits for a person."""

NEEDS_A_PERSON: frozenset[State] = frozenset({_S.DEAD, _S.UNRESOLVED})


def move(origin: State | None, cause: Cause) -> Move | None:
    """The row for this change, or None where it must not happen."""
    return _BY_ORIGIN.get((origin, cause))


def origins(cause: Cause) -> tuple[State, ...]:
    """The states that this cause may leave."""
    return _ORIGINS[cause]
