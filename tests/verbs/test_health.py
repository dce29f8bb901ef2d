"""When a lane is left alone: what its answers say of it, and not of the mail."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workshop import LANE, START

from kakitome.core.breaker import BREAK_AFTER, DEFERRALS_AFTER
from kakitome.core.outcome import (
    STOPS,
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Released,
    Unavailability,
    Unavailable,
    Uncertain,
)
from kakitome.core.reply import Reply
from kakitome.health import Halt, Health

REPLY = Reply(code=451, text="come back later")
OTHER = msgspec.structs.replace(LANE, name="other")


def heard(health: Health, *outcomes: Outcome, probing: bool = False) -> list[Halt]:
    return [halt for outcome in outcomes if (halt := health.heard(LANE, outcome, probing, START))]


@pytest.mark.parametrize("reason", Unavailability)
def test_a_certain_refusal_stops_at_once(reason: Unavailability) -> None:
    """What it stops and for how long is in the table; where the provider names an end, that is it."""
    [halt] = heard(Health(), Unavailable(reason, REPLY))
    assert halt.gate in ("lane:ses", "account:account")
    assert (halt.reason, halt.until, halt.detail) == (reason, START + STOPS[reason].pause_ms, "come back later")
    assert halt.doubling
    [halt] = heard(Health(), Unavailable(reason, REPLY, until=START + 7))
    assert (halt.until, halt.doubling) == (START + 7, False)


def test_the_status_of_an_http_answer_is_told() -> None:
    """Its body alone may say "Internal error", and an alert must say 503."""
    [halt] = heard(Health(), Unavailable(Unavailability.THROTTLED, Reply(code=429, text="slow down", protocol="http")))
    assert halt.detail == "429 slow down"
    nobody = Reply(code=0, text="nobody listens", protocol="http")
    [halt] = heard(Health(), Unavailable(Unavailability.REFUSED_CONNECTION, nobody))
    assert halt.detail == "nobody listens"


@pytest.mark.parametrize(("outcome", "limit"), [(Uncertain("reset"), BREAK_AFTER), (Deferred(REPLY), DEFERRALS_AFTER)])
def test_many_in_a_row_stop_the_lane(outcome: Outcome, limit: int) -> None:
    """One fewer does not, nor do as many with a mail that went through between them."""
    assert heard(Health(), *[outcome] * (limit - 1)) == []
    between = [outcome] * (limit - 1) + [Accepted("p")] + [outcome] * (limit - 1)
    assert heard(Health(), *between) == []
    [halt] = heard(Health(), *[outcome] * limit)
    assert (halt.gate, halt.reason) == ("lane:ses", Unavailability.CIRCUIT_OPEN)


def test_a_probe_in_doubt_is_enough() -> None:
    """The lane was shut; one more doubt says that it should stay so. A refusal for now says that it answers."""
    assert heard(Health(), Uncertain("timeout"), probing=True)
    assert not heard(Health(), Deferred(REPLY), probing=True)
    assert not heard(Health(), Rejected(REPLY), Accepted("p"), Released("slot"), probing=True)


def test_lanes_are_counted_apart() -> None:
    """Doubts of two lanes, by turns, are a row of neither's limit."""
    health = Health()
    for _ in range(BREAK_AFTER - 1):
        assert health.heard(LANE, Uncertain("reset"), False, START) is None
        assert health.heard(OTHER, Uncertain("reset"), False, START) is None


@given(st.lists(st.sampled_from([Accepted("p"), Rejected(REPLY), Deferred(REPLY), Uncertain("x"), Released("slot")])))
def test_it_stops_exactly_at_its_limits(outcomes: list[Outcome]) -> None:
    """A recount of the row, with nothing remembered but the list."""
    health = Health()
    row: list[type[Outcome]] = []
    for outcome in outcomes:
        if isinstance(outcome, Accepted | Rejected):
            row = []
        row.append(type(outcome))
        due = (type(outcome) is Uncertain and row.count(Uncertain) == BREAK_AFTER) or (
            type(outcome) is Deferred and row.count(Deferred) == DEFERRALS_AFTER
        )
        assert (health.heard(LANE, outcome, False, START) is not None) == due
        if due:
            row = []
