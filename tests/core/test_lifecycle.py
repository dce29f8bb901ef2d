"""The lifecycle table keeps its own rules."""

from __future__ import annotations

from itertools import product

import pytest

from kakitome.core.lifecycle import MOVES, NEEDS_A_PERSON, OPEN, Cause, Need, State, move, origins

CERTAINLY_NOT_ACCEPTED = {
    Cause.DEFERRED,
    Cause.UNAVAILABLE,
    Cause.RELEASED,
    Cause.WORKER_GONE_UNMARKED,
}


def test_the_stored_numbers_never_change() -> None:
    """The numbers of the states are in people's ledgers."""
    words = "queued sending sent in_doubt failed dead unresolved suppressed cancelled expired closed"
    assert [(state.word, int(state)) for state in State] == [(word, n) for n, word in enumerate(words.split())]


def test_a_cause_leads_from_a_state_to_one_state_only() -> None:
    """No row is there twice, and `move` and `origins` say what the table says."""
    pairs = [(row.origin, row.cause) for row in MOVES]
    assert len(pairs) == len(set(pairs))
    for state, cause in product((None, *State), Cause):
        row = move(state, cause)
        assert (row in MOVES) == ((state, cause) in pairs)
        assert (state in origins(cause)) == (row is not None and state is not None)


def test_every_cause_has_a_row() -> None:
    """A cause that moves nothing would be a word without meaning."""
    assert {row.cause for row in MOVES} == set(Cause)


def test_every_state_can_be_reached() -> None:
    """From nothing, by rows of the table."""
    reached: set[State | None] = {None}
    while more := {row.to for row in MOVES if row.origin in reached} - reached:
        reached |= more
    assert reached == {None, *State}


def test_nothing_leaves_sent() -> None:
    """What the next hop has cannot be taken back."""
    assert [row for row in MOVES if row.origin is State.SENT] == []


def test_proof_leads_to_sent_from_every_other_state() -> None:
    """Rule 4, and it needs nothing but the proof."""
    rows = {row.origin: row for row in MOVES if row.cause is Cause.PROOF}
    assert set(rows) == set(State) - {State.SENT}
    assert {(row.to, row.needs) for row in rows.values()} == {(State.SENT, Need.PROOF)}


def test_only_the_newest_claim_ends_a_claim() -> None:
    """Rule 2: but for proof, whatever leaves `sending` needs the fence."""
    assert {row.needs for row in MOVES if row.origin is State.SENDING and row.cause is not Cause.PROOF} == {Need.FENCE}


def test_only_a_claim_leads_to_sending() -> None:
    """There is no other way onto the wire."""
    assert {row.cause for row in MOVES if row.to is State.SENDING} == {Cause.CLAIMED, Cause.ADMITTED_WITH_CLAIM}


def test_only_what_was_certainly_not_accepted_goes_back_by_itself() -> None:
    """Rule 3: from `sending` back to `queued` without anybody's decision."""
    assert {row.cause for row in MOVES if (row.origin, row.to) == (State.SENDING, State.QUEUED)} == (
        CERTAINLY_NOT_ACCEPTED
    )


@pytest.mark.parametrize("cause", [Cause.LEASE_OVER, Cause.WORKER_GONE_MARKED, Cause.UNCERTAIN])
def test_what_may_have_been_accepted_is_in_doubt(cause: Cause) -> None:
    """A stopped process may still wake and write: neither its lease nor its mark ever leads to `queued`."""
    assert {row.to for row in MOVES if row.cause is cause} == {State.IN_DOUBT}


def test_doubt_is_left_by_proof_evidence_policy_a_late_reply_or_the_deadline() -> None:
    """Nothing else may decide that a mail which may have gone out is sent again."""
    decided = {row.cause for row in MOVES if row.origin is State.IN_DOUBT and row.needs is not Need.FENCE}
    assert decided == {Cause.PROOF, Cause.SILENCE, Cause.POLICY_RESEND, Cause.DEADLINE}


def test_an_attempt_is_counted_once() -> None:
    """Only when a claim ends, and never again by what is said of it later."""
    assert {row.origin for row in MOVES if row.costs_attempt} == {State.SENDING}
    free = {row.cause for row in MOVES if row.origin is State.SENDING and not row.costs_attempt}
    assert free >= {Cause.RELEASED, Cause.UNAVAILABLE, Cause.SUPPRESSED, Cause.WORKER_GONE_UNMARKED}


def test_a_person_decides_and_nobody_else_does() -> None:
    """The person's causes leave the same states, and only with a person."""
    people = {Cause.PERSON_RESEND, Cause.PERSON_SENT, Cause.PERSON_CLOSED}
    assert {row.cause for row in MOVES if row.needs is Need.PERSON} == people
    assert {origins(cause) for cause in people} == {(State.UNRESOLVED, State.DEAD, State.EXPIRED)}
    assert set(origins(Cause.PERSON_SENT)) >= NEEDS_A_PERSON


def test_kakitome_moves_on_what_is_open_and_only_that() -> None:
    """Every open state has a way out without a person or proof; no other state has."""
    by_itself = {row.origin for row in MOVES if row.needs in (Need.NOTHING, Need.FENCE)} - {None}
    assert by_itself == OPEN
