"""What comes out of a list: rows that can be mailed, and rows that cannot, with the reason."""

from __future__ import annotations

import csv

import msgspec

from kakitome.core.address import Address


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row with a good address. `line` is the physical line where it begins, from 1; `variables` has every column."""

    line: int
    address: Address
    variables: dict[str, str]


class BadRow(msgspec.Struct, frozen=True, gc=False):
    """A row that nothing is sent to. `reason` is a sentence or two for people; `text` is the row as it stands in the
    list (at most 32,000 characters; what could not be decoded, and NUL, show as U+FFFD)."""

    line: int
    reason: str
    text: str


class Limits(msgspec.Struct, frozen=True):
    """How large a list's parts may be, in characters. What is larger is a bad row, and is never held in memory whole.

    Raises ValueError if a field may be larger than the csv module itself allows.
    """

    field: int = 64 * 1024
    row: int = 256 * 1024

    def __post_init__(self) -> None:
        if not 0 < self.field <= csv.field_size_limit() or not self.field <= self.row:
            raise ValueError(f"0 < field <= {csv.field_size_limit()} and field <= row")
