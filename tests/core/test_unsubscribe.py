"""Tokens name a message, and only we can make one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakitome.core.ids import MessageId
from kakitome.core.unsubscribe import LENGTH, Leaving, Letterhead, Signer, with_fields

SECRET = bytes(range(32))
ids = st.integers(0, (1 << 63) - 1).map(MessageId)
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


@settings(deadline=None)  # a key is derived for each generation
@given(ids, st.integers(1, 255))
def test_a_token_names_its_message(message: MessageId, newest: int) -> None:
    """Short, without case, with nothing at its end that a mail program would cut off; older keys are still read."""
    token = Signer(SECRET, newest).token(message)
    assert len(token) == LENGTH == 40 and set(token) <= set(DIGITS)
    assert Signer(SECRET, newest).message(token) == Signer(SECRET, 255).message(token.upper()) == message


@given(ids, st.integers(0, LENGTH - 1), st.sampled_from(DIGITS))
def test_a_changed_token_is_none(message: MessageId, place: int, digit: str) -> None:
    """Whatever digit is changed: message, key or MAC."""
    signer = Signer(SECRET, 3)
    token = signer.token(message)
    changed = token[:place] + digit + token[place + 1 :]
    assert signer.message(changed) == (message if changed == token else None)


@given(st.text(max_size=60))
def test_any_other_text_is_none(text: str) -> None:
    """Nothing of it raises."""
    assert Signer(SECRET).message(text) is None


def test_another_ledgers_tokens_are_strangers() -> None:
    """As are those of a key that does not exist yet."""
    assert Signer(bytes(32)).message(Signer(SECRET).token(MessageId(7))) is None
    assert Signer(SECRET, 1).message(Signer(SECRET, 2).token(MessageId(7))) is None
    with pytest.raises(ValueError, match="255"):
        Signer(SECRET, 0)


def test_a_list_says_how_one_leaves() -> None:
    """Both fields, in place of a caller's of the same name; single mails say nothing."""
    head = Letterhead(public="https://mail.example.com", listed=True)
    fields = head.fields(head.link("token"))
    assert fields == (
        ("List-Unsubscribe", "<https://mail.example.com/u/token>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )
    assert with_fields((("X-A", "1"), ("list-unsubscribe", "<mailto:old@example.com>")), fields) == (
        ("X-A", "1"),
        *fields,
    )
    assert Letterhead(public="https://mail.example.com").fields("x") == ()
    assert [leaving.scope("news") for leaving in Leaving] == ["stream:news", "all", None]
