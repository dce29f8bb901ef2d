"""Which attempts an event names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.correlation import attempts_named
from kakitome.core.event import Event, EventKind
from kakitome.core.ids import message_text


def event(message: str | None, attempt: str | None) -> Event:
    return Event(
        key="k",
        kind=EventKind.SENT,
        at=1,
        provider="sendgrid",
        provider_message_id="",
        message=message,
        attempt=attempt,
    )


def test_one_and_several() -> None:
    """In equal order."""
    assert attempts_named(event("msg_5", "3")) == [(5, 3)]
    assert attempts_named(event("msg_5 msg_6", "3 1")) == [(5, 3), (6, 1)]


@pytest.mark.parametrize(
    ("message", "attempt"),
    [
        (None, None),
        ("msg_5", None),
        (None, "1"),
        ("msg_5 msg_6", "1"),
        ("msg_5", "x"),
        ("sub_5", "1"),
        ("msg_5", "-1"),
        ("msg_5", "9" * 30),
        ("msg_5  msg_6", "1  1"),
    ],
)
def test_garbled_names_nobody(message: str | None, attempt: str | None) -> None:
    """Rather nobody than somebody else."""
    assert attempts_named(event(message, attempt)) == []


@given(st.lists(st.tuples(st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1)), min_size=1, max_size=50))
def test_what_was_sent_comes_back(pairs: list[tuple[int, int]]) -> None:
    """As custom_args join it."""
    messages, attempts = " ".join(message_text(m) for m, _ in pairs), " ".join(str(a) for _, a in pairs)
    assert attempts_named(event(messages, attempts)) == pairs


@given(st.text(max_size=60), st.text(max_size=60))
def test_anything_is_read(message: str, attempt: str) -> None:
    """No text of a provider's raises."""
    attempts_named(event(message, attempt))
