"""What the events of an address call for does not depend on the order in which they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.suppression import DAY, KINDS, Removal, Told, TransientLimit, called_for, ended

LIMIT = TransientLimit(3, 10 * DAY)


def told(number: int, kind: EventKind, at: int, message: int | None, stream: str | None, **more: object) -> Told:
    event = Event(key=f"k{number}", kind=kind, at=at, provider="ses", provider_message_id="", **more)  # type: ignore[arg-type]
    return Told(event, at, False, message, stream if message is not None else None)


_KINDS = sorted(KINDS)
events = st.lists(
    st.tuples(
        st.sampled_from(_KINDS),
        st.integers(0, 30).map(lambda day: day * DAY),
        st.one_of(st.none(), st.integers(1, 6)),
        st.sampled_from(["news", "booking"]),
        st.sampled_from(list(Permanence)),
        st.sampled_from([None, "abuse", "not-spam"]),
    ),
    max_size=12,
).map(
    lambda rows: [
        told(n, kind, at, message, stream, permanence=how if kind is EventKind.BOUNCED else None, complaint=word)
        for n, (kind, at, message, stream, how, word) in enumerate(rows)
    ]
)


@given(events, st.randoms())
def test_any_order_calls_for_the_same(history: list[Told], random: object) -> None:
    """Scope, reason and the event that decided: equal for every order, and asking twice changes nothing."""
    mixed = list(history)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert called_for(mixed, {}, LIMIT) == called_for(history, {}, LIMIT)


@given(events, st.integers(0, 30))
def test_what_was_known_at_a_removal_never_calls_again(history: list[Told], day: int) -> None:
    """With a removal of every scope, only events that came afterwards decide."""
    scopes = ("all", "stream:news", "stream:booking")
    removed = {scope: Removal(day * DAY, "") for scope in scopes}
    assert all(call.event.at > day * DAY for call in called_for(history, removed, LIMIT))


def _bounces(*days: int, first: int = 1) -> list[Told]:
    return [
        told(n, EventKind.BOUNCED, day * DAY, n, "news", permanence=Permanence.TRANSIENT)
        for n, day in enumerate(days, first)
    ]


def test_the_window_slides() -> None:
    """Three within ten days, wherever they are; the edge counts; 0 is never."""
    assert called_for(_bounces(0, 9, 19, 30), {}, LIMIT) == []
    [call] = called_for(_bounces(0, 12, 15, 22), {}, LIMIT)
    assert (call.reason, call.event.at) == ("transient", 22 * DAY)
    assert call.note.startswith("3 messages came back for passing reasons within 10 days.")
    assert called_for(_bounces(0, 1, 2, 3), {}, TransientLimit(0, DAY)) == []
    assert len(called_for(_bounces(0), {}, TransientLimit(1, DAY))) == 1


def test_a_removal_begins_the_count_anew() -> None:
    """What came before it, or made what was removed, does not count; what is fresh does."""
    removed = {"all": Removal(5 * DAY, "k9")}
    assert called_for(_bounces(1, 2, 6, 7), removed, LIMIT) == []
    assert len(called_for(_bounces(6, 7, 8), removed, LIMIT)) == 1
    assert called_for(_bounces(6, 7, 8, first=9), removed, LIMIT) == []


def test_who_takes_a_mail_for_no_spam_is_no_complainant() -> None:
    """RFC 6430: `not-spam` is the opposite of a complaint."""
    for word, calls in (("not-spam", 0), ("abuse", 1), (None, 1)):
        assert len(called_for([told(1, EventKind.COMPLAINED, 0, 1, "news", complaint=word)], {}, LIMIT)) == calls


def test_leaving_wins_in_the_same_moment() -> None:
    """Of one scope the last word counts; another scope is another matter."""
    left, back = told(1, EventKind.UNSUBSCRIBED, 5, 1, "news"), told(2, EventKind.RESUBSCRIBED, 5, 1, "news")
    assert [call.scope for call in called_for([back, left], {}, LIMIT)] == ["stream:news"]
    later = told(3, EventKind.RESUBSCRIBED, 6, 2, "news")
    assert called_for([left, later], {}, LIMIT) == []
    elsewhere = told(3, EventKind.RESUBSCRIBED, 6, 2, "booking")
    assert len(called_for([left, elsewhere], {}, LIMIT)) == 1


def test_only_a_later_subscription_ends_what_a_person_wrote() -> None:
    """An unsubscription without an event of ours (a file, a link) ends by coming back after it, not before."""
    back = told(1, EventKind.RESUBSCRIBED, 5, None, None)
    assert ended("all", "list.csv:3", 4, [back], []) == back.event
    assert ended("all", "list.csv:3", 5, [back], []) is None
    assert ended("stream:news", "list.csv:3", 4, [back], []) is None


def test_the_providers_own_list_is_a_reason_of_its_own() -> None:
    """Whatever kind the event has."""
    rejected = told(1, EventKind.REJECTED, 0, None, None, bounce_class=BounceClass.SUPPRESSED)
    assert [call.reason for call in called_for([rejected], {}, LIMIT)] == ["provider"]
