"""Numbers inside, words outside."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kakitome.core.errors import NotFound
from kakitome.core.ids import from_text, message_text, submission_text, to_text

MOST = 2**63 - 1


@given(st.integers(0, MOST))
@example(0)
@example(MOST)
def test_an_id_comes_back_as_it_went(number: int) -> None:
    """Whatever the ledger gives, also where somebody wrote it in capitals and with spaces around it."""
    text = message_text(number)
    assert from_text("msg", text) == number
    assert from_text("msg", f"  msg_{text[4:].upper()}\n") == number
    assert len(text) <= 4 + 13


@given(st.integers(0, MOST))
def test_an_id_can_be_read_out_on_the_telephone(number: int) -> None:
    """Digits and letters that are not taken for others: no i, l, o, u."""
    assert set(submission_text(number)[4:]) <= set("0123456789abcdefghjkmnpqrstvwxyz")


@pytest.mark.parametrize(
    "text",
    ["", "msg", "msg_", "sub_1", "1", "msg_i", "msg_1 2", "msg_-1", "msg_zzzzzzzzzzzzz", "msg_00000000000001", "msg_é"],
)
def test_what_is_no_id_names_nothing(text: str) -> None:
    """Also a number that no ledger can hold, or one digit too many."""
    with pytest.raises(NotFound):
        from_text("msg", text)


@given(st.text(max_size=20))
def test_any_text_is_an_id_or_not_found(text: str) -> None:
    """Nothing else is ever raised for what a stranger sends."""
    try:
        number = from_text("msg", text)
    except NotFound:
        return
    assert 0 <= number <= MOST


def test_the_order_of_ids_of_one_length_is_that_of_numbers() -> None:
    """Sorted as words they stay in the order in which they were given."""
    texts = [to_text("msg", number) for number in range(2**60, 2**60 + 2000, 37)]
    assert texts == sorted(texts)
