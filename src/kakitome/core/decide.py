"""What happens next: a pure function of the message, the outcome, the policy and the time."""

from __future__ import annotations

from random import Random

import msgspec

from kakitome.core.errors import KakitomeError
from kakitome.core.evidence import Verdict
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed, Settlement
from kakitome.core.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Released,
    Unavailable,
    Uncertain,
    encode,
)
from kakitome.core.policy import SECOND, Horizons, InDoubt, Policy
from kakitome.core.retry import delay

RESEND_AFTER = 5 * SECOND
"""There is only one such resend. Until then an outage has stopped its lane, and it goes by another one."""


def settlement(
    claimed: Claimed, outcome: Outcome, policy: Policy, horizons: Horizons, now: int, random: Random
) -> Settlement:
    """How this outcome settles the attempt. A released claim is due again at once, unless it was withdrawn, and keeps
    its place: behind all the others, each that missed its slot would be the last of a list that goes on for hours."""
    cause, due = _next(claimed, outcome, policy, horizons, now, random)
    provider_id = outcome.provider_message_id or None if isinstance(outcome, Accepted) else None
    return Settlement(
        id=claimed.id, fence=claimed.fence, cause=cause, due=due, provider_id=provider_id, outcome=encode(outcome)
    )


def _next(
    claimed: Claimed, outcome: Outcome, policy: Policy, horizons: Horizons, now: int, random: Random
) -> tuple[Cause, int | None]:
    match outcome:
        case Accepted():
            return Cause.PROVIDER_ACCEPTED, None
        case Rejected():
            return Cause.REJECTED, None
        case Deferred():
            tried = claimed.attempts + 1
            if tried >= policy.attempts:
                return Cause.EXHAUSTED, None
            return Cause.DEFERRED, now + delay(tried, policy, random)
        case Unavailable():
            # The lane or account waits, not the mail: another lane may take it now. Due now is behind what was due
            # before, so that the next to try is another one, should the answer have been this mail's own after all.
            return Cause.UNAVAILABLE, now
        case Uncertain():
            return Cause.UNCERTAIN, now + (RESEND_AFTER if policy.in_doubt is InDoubt.RESEND else horizons.quiet)
        case Released(reason=reason):
            withdrawn = {c.value: c for c in (Cause.SUPPRESSED, Cause.CANCELLED, Cause.EXPIRED)}
            return withdrawn.get(reason, Cause.RELEASED), None


def unrenderable(claimed: Claimed, error: KakitomeError) -> Settlement:
    """The mail could not be made. Nothing was sent; a person mends the template or the row and recovers it."""
    note = {"outcome": "unrenderable", "error": error.slug, "what": error.what, "remedy": error.remedy}
    return Settlement(id=claimed.id, fence=claimed.fence, cause=Cause.UNRENDERABLE, outcome=msgspec.json.encode(note))


def doubt(
    policy: Policy, resends: int, verdict: Verdict, begun: int, since: int, horizons: Horizons, provable: bool, now: int
) -> Cause | None:
    """How a doubt ends now, None where it is still open. `provable`: the lane has events, so proof may still come.

    One resend at most, by policy or by evidence: after it a person decides.
    """
    if policy.in_doubt is InDoubt.RESEND and resends == 0:
        return Cause.POLICY_RESEND
    if policy.in_doubt is InDoubt.EVIDENCE and resends == 0 and provable and verdict is Verdict.NOT_ACCEPTED:
        return Cause.SILENCE
    if not provable or now >= max(begun, since) + horizons.deadline:
        return Cause.DEADLINE
    return None
