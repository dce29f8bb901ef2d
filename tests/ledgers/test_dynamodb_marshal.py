"""Items of DynamoDB, written by us and read by Amazon's SDK, and the other way round."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from kakitome.ledgers.dynamodb.marshal import DIGITS, Key, Value, key_of, key_written, read, written

TEXT = st.text(max_size=40)
NUMBER = st.integers(min_value=-(10**DIGITS) + 1, max_value=10**DIGITS - 1)
VALUE = st.one_of(TEXT, NUMBER, st.binary(max_size=40), st.frozensets(TEXT, min_size=1, max_size=5))
ITEMS = st.dictionaries(st.text(min_size=1, max_size=8), VALUE, max_size=8)


class Number(IntEnum):
    SEVEN = 7


class Word(StrEnum):
    SEVEN = "seven"


@given(ITEMS)
def test_what_is_written_reads_the_same(item: dict[str, Value]) -> None:
    """Every item comes back as it was."""
    assert read(written(item)) == item


@given(ITEMS)
def test_amazons_sdk_reads_what_we_write(item: dict[str, Value]) -> None:
    """The forms are those of the service, judged by code that is not ours."""
    theirs = TypeDeserializer()
    for name, typed in written(item).items():
        found = theirs.deserialize(typed)
        assert (found.value if isinstance(found, Binary) else found) == item[name]


@given(ITEMS)
def test_we_read_what_amazons_sdk_writes(item: dict[str, Value]) -> None:
    """An item put right by hand or by a script is understood."""
    theirs = TypeSerializer()
    assert read({name: theirs.serialize(value) for name, value in item.items()}) == item


def test_nothing_is_not_written() -> None:
    """An index wants an attribute absent, and there is no empty set."""
    assert written({"a": None, "b": frozenset(), "c": "", "d": b"", "e": 0}) == {
        "c": {"S": ""},
        "d": {"B": b""},
        "e": {"N": "0"},
    }


def test_an_enumeration_is_its_value() -> None:
    """States and words go in as what they stand for."""
    assert written({"n": Number.SEVEN, "s": Word.SEVEN}) == {"n": {"N": "7"}, "s": {"S": "seven"}}
    assert type(written({"s": Word.SEVEN})["s"]["S"]) is str


def test_other_types_are_refused() -> None:
    """Nothing is written whose form we would not read again."""
    with pytest.raises(TypeError, match=r"^x: float"):
        written({"x": 1.5})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"^x: .* BOOL"):
        read({"x": {"BOOL": True}})


def test_a_key_is_two_strings() -> None:
    """An item says its key, and a key is written like an item."""
    key = Key("a", "b")
    assert key_of({"pk": "a", "sk": "b", "d": b""}) == key
    assert read(key_written(key)) == key._asdict()
