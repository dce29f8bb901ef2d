"""Items as DynamoDB writes them, and back (*Amazon DynamoDB API Reference*, "AttributeValue").

Of its types four are used: S, N (whole numbers only), B, and SS. Floating point, lists and maps stay out: what has an
inner form is a body `d` in bytes, whose form is ours. In JSON bytes are base64: `wire` makes it, `read` takes it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Value = str | int | bytes | frozenset[str] | None
Item = dict[str, Value]
"""An item by attribute. `None` and the empty set are not written: DynamoDB knows no empty set, and an index wants an
attribute absent rather than null."""

Attributes = dict[str, dict[str, Any]]

DIGITS: Final = 38
"""A number has no more; DynamoDB refuses a longer one and never rounds it."""


class Key(NamedTuple):
    pk: str
    sk: str


def written(item: Mapping[str, Value]) -> Attributes:
    """Raises `TypeError` for a value of another type."""
    found: Attributes = {}
    for name, value in item.items():
        match value:
            case None:
                continue
            case str():
                found[name] = {"S": str(value)}
            case int():  # an enumeration is written as its number
                found[name] = {"N": str(int(value))}
            case bytes():
                found[name] = {"B": value}
            case frozenset():
                if value:
                    found[name] = {"SS": sorted(value)}
            case _:
                raise TypeError(f"{name}: {type(value).__name__} is not written to DynamoDB")
    return found


def read(attributes: Mapping[str, Mapping[str, Any]]) -> Item:
    """Raises `TypeError` for an attribute that `written` does not make: somebody else wrote this item."""
    found: Item = {}
    for name, typed in attributes.items():
        [(kind, value)] = typed.items()
        match kind:
            case "S":
                found[name] = value
            case "N":
                found[name] = int(value)
            case "B":
                found[name] = b64decode(value) if isinstance(value, str) else bytes(value)
            case "SS":
                found[name] = frozenset(value)
            case _:
                raise TypeError(f"{name}: an attribute of the type {kind} is none of ours")
    return found


def key_of(item: Mapping[str, Value]) -> Key:
    pk, sk = item["pk"], item["sk"]
    assert isinstance(pk, str) and isinstance(sk, str)
    return Key(pk, sk)


def key_written(key: Key) -> Attributes:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
