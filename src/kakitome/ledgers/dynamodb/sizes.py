"""What AWS charges for an item: sizes, and the units of a write and a read. Pure.

*Amazon DynamoDB Developer Guide*, "DynamoDB item sizes and formats", "DynamoDB read and write operations" (capacity
unit consumption), "Using Global Secondary Indexes in DynamoDB" (write considerations). An emulator tells units, too,
but neither of every operation nor of what was refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kakitome.ledgers.dynamodb.marshal import Attributes
from kakitome.ledgers.dynamodb.schema import INCLUDED, INDEXES, TABLE

WRITTEN: Final = 1024
READ: Final = 4096
"""Octets of one unit. What is begun counts whole."""

TRANSACTED: Final = 2
"""Units of a transaction for one of a single write: it is prepared, then committed."""


def size(attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Octets of an item, as DynamoDB counts them: names and values."""
    return sum(len(name.encode()) + _value(typed) for name, typed in attributes.items())


def _value(typed: Mapping[str, Any]) -> int:
    [(kind, value)] = typed.items()
    match kind:
        case "N":  # two digits an octet, one more for the whole, one for a sign
            digits = len(str(value).lstrip("-").strip("0")) or 1
            return (digits + 1) // 2 + 1 + str(value).startswith("-")
        case "B":  # as it was, or as the wire has it (base64)
            return len(value) if isinstance(value, bytes) else len(value) * 3 // 4 - value.count("=")
        case "SS":
            return sum(len(one.encode()) for one in value)
        case _:
            return len(str(value).encode())


def written(before: Attributes | None, after: Attributes | None) -> dict[str, int]:
    """Units of a write by place ("table", or an index): from what was there to what is there; None is nothing.

    The table's are those of the larger one. A write that its condition refuses costs as if it left things as they are.
    """
    largest = max(size(before or {}), size(after or {}))
    units = {"table": _units(largest, WRITTEN)}
    for index in INDEXES:
        if of_index := _index(index, before or {}, after or {}):
            units[index] = of_index
    return units


def _index(index: str, before: Attributes, after: Attributes) -> int:
    """An entry that moves to other keys is deleted and written; one whose content stays is not touched."""
    was, is_ = _entry(index, before), _entry(index, after)
    if was == is_:
        return 0
    if was and is_ and any(was[name] != is_[name] for name in INDEXES[index]):
        return _units(size(was), WRITTEN) + _units(size(is_), WRITTEN)
    return _units(max(size(was), size(is_)), WRITTEN)


def _entry(index: str, item: Attributes) -> Attributes:
    """What the index has of the item; nothing where it lacks one of the index's keys."""
    keys = INDEXES[index]
    if any(name not in item for name in keys):
        return {}
    return {name: item[name] for name in (*TABLE, *keys, *INCLUDED) if name in item}


def read_each(sizes: Iterable[int], strong: bool) -> float:
    """Units of items asked for by their keys; one that is not there has size 0 and costs the least there is."""
    return sum(_units(one, READ) for one in sizes) * (1.0 if strong else 0.5)


def read_together(sizes: Iterable[int], strong: bool) -> float:
    """Units of a query's answer: its items count together."""
    return read_each([sum(sizes)], strong)


def _units(octets: int, unit: int) -> int:
    return max(1, -(-octets // unit))
