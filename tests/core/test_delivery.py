"""What became of a mail: a fold that no order, repetition or grouping of events can change."""

from __future__ import annotations

from functools import reduce
from itertools import permutations
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core import delivery
from kakitome.core.delivery import NOTHING, Bounce, Delivery, fold, merge, status_word, suppresses, word, words
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.lifecycle import State

K = EventKind
PERMANENT, TRANSIENT, UNDETERMINED = Permanence.PERMANENT, Permanence.TRANSIENT, Permanence.UNDETERMINED


def _event(
    kind: EventKind,
    at: int = 1,
    permanence: Permanence | None = None,
    why: BounceClass | None = None,
    complaint: str | None = None,
) -> Event:
    return Event(
        key=f"{kind}:{at}",
        kind=kind,
        at=at,
        provider="ses",
        provider_message_id="id",
        permanence=permanence,
        bounce_class=why,
        complaint=complaint,
    )


def _folded(*events: Event) -> Delivery:
    return reduce(fold, events, NOTHING)


_events = st.builds(
    _event,
    st.sampled_from(EventKind),
    st.integers(-5, 5),
    st.none() | st.sampled_from(Permanence),
    st.none() | st.sampled_from(BounceClass),
    st.sampled_from([None, "abuse", "not-spam"]),
)
_deliveries = st.lists(_events, max_size=6).map(lambda events: _folded(*events))


@given(st.lists(_events, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(events: list[Event], random: Random) -> None:
    """Any permutation, with any events repeated, folds to the same value."""
    shuffled = events + events[: len(events) // 2 + 1]
    random.shuffle(shuffled)
    assert _folded(*shuffled) == _folded(*events)


@given(_deliveries, _deliveries, _deliveries)
def test_merging_is_a_semilattice(a: Delivery, b: Delivery, c: Delivery) -> None:
    """Commutative, associative, idempotent, with nothing as its neutral element."""
    assert merge(a, b) == merge(b, a)
    assert merge(a, merge(b, c)) == merge(merge(a, b), c)
    assert merge(a, a) == a == merge(a, NOTHING)


@given(_deliveries, _deliveries)
def test_words_are_only_ever_added(a: Delivery, b: Delivery) -> None:
    """Counters of words never have to be taken back."""
    assert set(words(a)) <= set(words(merge(a, b)))


@given(_deliveries)
def test_a_word_is_said_once(known: Delivery) -> None:
    """No mail is counted twice under one word, and the first word is the word."""
    assert len(set(words(known))) == len(words(known))
    assert word(known) == (words(known)[0] if words(known) else None)


@given(_deliveries)
def test_it_survives_a_ledger_column(known: Delivery) -> None:
    """What is written is what is read."""
    assert delivery.decode(delivery.encode(known)) == known


def test_the_column_is_small_and_readable() -> None:
    """Only what happened is written; SQL can ask for it by name, and a newer version's fields do no harm."""
    assert delivery.encode(NOTHING) == "{}"
    known = _folded(_event(K.DELIVERED, 5), _event(K.BOUNCED, 9, PERMANENT, BounceClass.INVALID_RECIPIENT))
    assert delivery.encode(known) == '{"delivered":5,"bounce":[0,9,"invalid_recipient"]}'
    assert delivery.decode('{"delivered":5,"of_tomorrow":7}') == Delivery(delivered=5)
    with pytest.raises(msgspec.DecodeError):
        delivery.decode("[]")


def test_the_earliest_time_stays() -> None:
    """Opened three times: first opened at."""
    assert _folded(_event(K.OPENED, 7), _event(K.OPENED, 3), _event(K.OPENED, 5)).opened == 3


def test_the_gravest_bounce_stays() -> None:
    """Permanent before undetermined before transient, then the earliest."""
    known = _folded(
        _event(K.BOUNCED, 1, TRANSIENT, BounceClass.MAILBOX_FULL),
        _event(K.BOUNCED, 9, PERMANENT, BounceClass.INVALID_RECIPIENT),
        _event(K.BOUNCED, 8, PERMANENT, BounceClass.BAD_DOMAIN),
        _event(K.BOUNCED, 2, UNDETERMINED),
    )
    assert known.bounce == Bounce(0, 8, BounceClass.BAD_DOMAIN)
    assert known.bounce.permanence is PERMANENT


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        ([_event(K.SENT)], None),
        ([_event(K.UNKNOWN), _event(K.UNSUBSCRIBED), _event(K.RESUBSCRIBED)], None),
        ([_event(K.SENT), _event(K.DELAYED)], "delayed"),
        ([_event(K.DELAYED), _event(K.DELIVERED)], "delivered"),
        ([_event(K.REJECTED)], "rejected"),
        ([_event(K.RENDERING_FAILED)], "rejected"),
        ([_event(K.DELAYED), _event(K.BOUNCED, 1, TRANSIENT)], "bounced"),
        ([_event(K.BOUNCED)], "bounced"),
        ([_event(K.DELIVERED), _event(K.BOUNCED, 9, PERMANENT)], "bounced"),
        ([_event(K.DELIVERED), _event(K.BOUNCED, 9, TRANSIENT)], "delivered"),
        ([_event(K.DELIVERED), _event(K.BOUNCED, 9, UNDETERMINED)], "delivered"),
        ([_event(K.DELIVERED), _event(K.REJECTED)], "delivered"),
        ([_event(K.OPENED)], "opened"),
        ([_event(K.OPENED), _event(K.CLICKED), _event(K.DELIVERED)], "clicked"),
        ([_event(K.OPENED), _event(K.COMPLAINED, complaint="abuse")], "complained"),
        ([_event(K.COMPLAINED), _event(K.BOUNCED, 1, PERMANENT)], "complained"),
        ([_event(K.DELIVERED), _event(K.COMPLAINED, complaint="not-spam")], "delivered"),
    ],
)
def test_the_word_that_matters_most(events: list[Event], expected: str | None) -> None:
    """One word, whatever the order in which the events came."""
    for order in permutations(events):
        assert word(_folded(*order)) == expected


def test_a_reader_has_got_the_mail() -> None:
    """Clicked means opened, opened and complained mean delivered, also where those events were lost."""
    assert words(Delivery(clicked=1)) == ("clicked", "opened", "delivered")
    assert words(Delivery(complained=1)) == ("complained", "delivered")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (_event(K.BOUNCED, 1, PERMANENT, BounceClass.INVALID_RECIPIENT), "bounce"),
        (_event(K.BOUNCED, 1, PERMANENT, BounceClass.SUPPRESSED), "provider"),
        (_event(K.BOUNCED, 1, TRANSIENT, BounceClass.MAILBOX_FULL), None),
        (_event(K.BOUNCED, 1, UNDETERMINED), None),
        (_event(K.BOUNCED), None),
        (_event(K.COMPLAINED), "complaint"),
        (_event(K.COMPLAINED, complaint="abuse"), "complaint"),
        (_event(K.COMPLAINED, complaint="not-spam"), None),
        (_event(K.REJECTED, why=BounceClass.SUPPRESSED), "provider"),
        (_event(K.REJECTED), None),
        (_event(K.UNSUBSCRIBED), "unsubscribe"),
        *((_event(kind), None) for kind in (K.SENT, K.DELIVERED, K.DELAYED, K.OPENED, K.CLICKED, K.UNKNOWN)),
    ],
)
def test_what_suppresses(event: Event, reason: str | None) -> None:
    """Permanent bounces, complaints, refusals and the provider's own list; nothing that passes by itself."""
    assert suppresses(event) == reason


STATUS = {
    "queued",
    "sending",
    "sent",
    "delivered",
    "delayed",
    "bounced",
    "complained",
    "failed",
    "suppressed",
    "cancelled",
    "expired",
    "needs_attention",
}


def test_every_state_has_its_status() -> None:
    """Each state alone and with each word of delivery gives one of the twelve words, and all twelve are given."""
    known = [None, "delivered", "delayed", "rejected", "bounced", "complained", "opened", "clicked"]
    assert {status_word(state.word, told) for state in State for told in known} == STATUS


@pytest.mark.parametrize(
    ("state", "told", "status"),
    [
        (State.SENT, None, "sent"),
        (State.SENT, "opened", "delivered"),
        (State.SENT, "rejected", "failed"),
        (State.IN_DOUBT, None, "sending"),
        (State.IN_DOUBT, "delivered", "delivered"),
        (State.DEAD, None, "needs_attention"),
        (State.UNRESOLVED, None, "needs_attention"),
        (State.UNRESOLVED, "bounced", "bounced"),
        (State.CLOSED, None, "cancelled"),
        (State.SUPPRESSED, None, "suppressed"),
    ],
)
def test_one_word_for_people(state: State, told: str | None, status: str) -> None:
    """What became of the mail goes before where it is in our hands."""
    assert status_word(state.word, told) == status


@pytest.mark.parametrize(("state", "told"), [("nowhere", None), ("sent", "read")])
def test_a_word_that_is_none_is_an_error(state: str, told: str | None) -> None:
    """Nobody is told a status that was guessed."""
    with pytest.raises(KeyError):
        status_word(state, told)
