"""What a stream wants for its mail: how often to try, how long to wait, what to do in doubt."""

from __future__ import annotations

from enum import StrEnum

import msgspec

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class InDoubt(StrEnum):
    EVIDENCE = "evidence"  # send again only when the event stream shows that it was not accepted
    RESEND = "resend"  # better twice than never: one-time passwords
    HOLD = "hold"  # never twice: invoices


class Kind(StrEnum):
    TRANSACTIONAL = "transactional"
    BULK = "bulk"


class Horizons(msgspec.Struct, frozen=True):
    """How long to wait for events before their absence means something. Milliseconds.

    `quiet` after the attempt, absence may count; `neighbourhood` either side of it is compared; at `deadline` without
    evidence a person decides.
    """

    quiet: int = 15 * MINUTE
    neighbourhood: int = 2 * MINUTE

    @property
    def deadline(self) -> int:
        return 4 * self.quiet


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Times in milliseconds."""

    kind: Kind = Kind.TRANSACTIONAL
    in_doubt: InDoubt = InDoubt.EVIDENCE
    attempts: int = 12
    first_delay: int = 30 * SECOND
    longest_delay: int = 2 * HOUR
    expires_after: int | None = None
