"""What happens next, as a function."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core import decide
from kakitome.core.errors import TemplateError
from kakitome.core.evidence import Verdict
from kakitome.core.ids import Fence, MessageId, RunId
from kakitome.core.lifecycle import Cause, State, move
from kakitome.core.message import Claimed, Settlement
from kakitome.core.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Released,
    Unavailability,
    Unavailable,
    Uncertain,
    decode,
)
from kakitome.core.policy import Horizons, InDoubt, Policy
from kakitome.core.reply import Reply

NOW = 1_800_000_000_000
HORIZONS = Horizons(quiet=900_000)
REPLY = Reply(code=451, text="451 4.7.1 later")
OUTCOMES: list[Outcome] = [
    Accepted("p-1"),
    Rejected(REPLY),
    Deferred(REPLY),
    Uncertain("timeout"),
    Released("slot"),
    *(Unavailable(reason) for reason in Unavailability),
]


def claimed(attempts: int = 0) -> Claimed:
    return Claimed(MessageId(7), Fence(3), RunId(1), "a@example.com", attempts, NOW, None, None, b"{}")


def settled(outcome: Outcome, policy: Policy | None = None, attempts: int = 0) -> Settlement:
    return decide.settlement(claimed(attempts), outcome, policy or Policy(), HORIZONS, NOW, Random(1))


@pytest.mark.parametrize(
    ("outcome", "cause", "due"),
    [
        (Accepted("p-1"), Cause.PROVIDER_ACCEPTED, None),
        (Rejected(REPLY), Cause.REJECTED, None),
        (Uncertain("timeout"), Cause.UNCERTAIN, NOW + 900_000),
        (Unavailable(Unavailability.DNS), Cause.UNAVAILABLE, NOW),
        (Unavailable(Unavailability.QUOTA, until=NOW + 5), Cause.UNAVAILABLE, NOW),
        (Released("slot"), Cause.RELEASED, None),
        (Released("suppressed"), Cause.SUPPRESSED, None),
        (Released("cancelled"), Cause.CANCELLED, None),
        (Released("expired"), Cause.EXPIRED, None),
        (Released("accepted"), Cause.RELEASED, None),
    ],
)
def test_an_outcome_has_one_cause_and_a_time(outcome: Outcome, cause: Cause, due: int | None) -> None:
    """No reason of a release but the three withdrawals names a cause: a slip of the pen cannot make it `sent`."""
    found = settled(outcome)
    assert (found.cause, found.due) == (cause, due)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_every_outcome_moves_a_message_in_flight_and_is_kept_whole(outcome: Outcome) -> None:
    """The lifecycle has a row for it, and what is stored reads back as it was."""
    found = settled(outcome)
    assert move(State.SENDING, found.cause) is not None
    assert decode(found.outcome) == outcome
    assert (found.id, found.fence) == (7, 3)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_only_uncertainty_is_a_doubt(outcome: Outcome) -> None:
    """Certainly not accepted never leads into doubt, and a doubt never back to the queue by itself."""
    step = move(State.SENDING, settled(outcome).cause)
    assert step is not None
    assert (step.to is State.IN_DOUBT) == isinstance(outcome, Uncertain)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_what_the_mail_is_not_to_blame_for_costs_it_nothing(outcome: Outcome) -> None:
    """Unavailable and Released leave the count of attempts alone."""
    step = move(State.SENDING, settled(outcome).cause)
    assert step is not None
    assert step.costs_attempt != isinstance(outcome, Unavailable | Released)


def test_the_last_attempt_is_the_policys() -> None:
    """Twelve attempts: the eleventh is put off, the twelfth exhausts it."""
    assert settled(Deferred(REPLY), attempts=10).cause is Cause.DEFERRED
    assert settled(Deferred(REPLY), attempts=11).cause is Cause.EXHAUSTED
    assert settled(Deferred(REPLY), Policy(attempts=1)).cause is Cause.EXHAUSTED


@given(st.integers(0, 10))
def test_a_mail_that_was_put_off_waits(attempts: int) -> None:
    """At least half of what the doubling says, never in the past."""
    due = settled(Deferred(REPLY), attempts=attempts).due
    assert due is not None
    assert due >= NOW + 15_000


def test_a_doubt_of_a_resending_stream_is_looked_at_soon() -> None:
    """A one-time password does not wait for a horizon, only until an outage has stopped its lane."""
    assert settled(Uncertain("timeout"), Policy(in_doubt=InDoubt.RESEND)).due == NOW + decide.RESEND_AFTER


def test_an_acceptance_without_a_name_has_no_provider_id() -> None:
    """An SMTP server need not name the mail; an empty id would match every other empty one."""
    assert settled(Accepted("")).provider_id is None
    assert settled(Accepted("p-1")).provider_id == "p-1"


def test_what_cannot_be_rendered_says_why() -> None:
    """The note is for the person who mends the template."""
    found = decide.unrenderable(claimed(), TemplateError("“name” is missing.", "Add the column."))
    assert found.cause is Cause.UNRENDERABLE
    assert msgspec.json.decode(found.outcome) == {
        "outcome": "unrenderable",
        "error": "template",
        "what": "“name” is missing.",
        "remedy": "Add the column.",
    }


def doubt(
    in_doubt: InDoubt,
    *,
    resends: int = 0,
    verdict: Verdict = Verdict.WAIT,
    age: int = 0,
    provable: bool = True,
    since: int | None = None,
) -> Cause | None:
    begun = NOW - age
    return decide.doubt(Policy(in_doubt=in_doubt), resends, verdict, begun, since or begun, HORIZONS, provable, NOW)


PAST = Verdict.NOT_ACCEPTED


def test_resend_sends_again_once() -> None:
    """Without looking at anything; the second doubt waits for proof, and then for a person."""
    assert doubt(InDoubt.RESEND) is Cause.POLICY_RESEND
    assert doubt(InDoubt.RESEND, resends=1) is None
    assert doubt(InDoubt.RESEND, resends=1, verdict=PAST) is None
    assert doubt(InDoubt.RESEND, resends=1, age=4 * 900_000) is Cause.DEADLINE


def test_evidence_sends_again_by_evidence_only_and_once() -> None:
    """The streak alone decides; age does not."""
    assert doubt(InDoubt.EVIDENCE, verdict=PAST) is Cause.SILENCE
    assert doubt(InDoubt.EVIDENCE, age=4 * 900_000 - 1) is None
    assert doubt(InDoubt.EVIDENCE, verdict=PAST, resends=1) is None


@given(st.sampled_from(Verdict), st.integers(0, 10_000_000), st.integers(0, 2), st.booleans())
def test_hold_is_never_sent_again(verdict: Verdict, age: int, resends: int, provable: bool) -> None:
    """Whatever the events say: a person decides."""
    assert doubt(InDoubt.HOLD, verdict=verdict, age=age, resends=resends, provable=provable) in (None, Cause.DEADLINE)


@given(st.sampled_from(InDoubt), st.sampled_from(Verdict), st.integers(0, 10_000_000), st.integers(1, 3))
def test_nothing_is_resent_twice(in_doubt: InDoubt, verdict: Verdict, age: int, resends: int) -> None:
    """One such resend at most, by policy or by evidence."""
    assert doubt(in_doubt, verdict=verdict, age=age, resends=resends) in (None, Cause.DEADLINE)


@pytest.mark.parametrize("in_doubt", [InDoubt.EVIDENCE, InDoubt.HOLD])
def test_the_deadline_is_four_horizons_from_the_doubt(in_doubt: InDoubt) -> None:
    """Counted from the later of the attempt and the doubt: a doubt that was found late still has its time."""
    assert doubt(in_doubt, age=4 * 900_000) is Cause.DEADLINE
    assert doubt(in_doubt, age=4 * 900_000 - 1) is None
    assert doubt(in_doubt, age=4 * 900_000, since=NOW - 1) is None


@pytest.mark.parametrize("in_doubt", [InDoubt.EVIDENCE, InDoubt.HOLD])
def test_where_nothing_can_be_proved_nobody_waits(in_doubt: InDoubt) -> None:
    """A lane without events: a person decides now; even a verdict proves nothing there."""
    assert doubt(in_doubt, provable=False) is Cause.DEADLINE
    assert doubt(in_doubt, provable=False, verdict=PAST) is Cause.DEADLINE
    assert doubt(InDoubt.RESEND, provable=False) is Cause.POLICY_RESEND
