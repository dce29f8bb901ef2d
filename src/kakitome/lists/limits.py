"""How large the parts of a list may be."""

from __future__ import annotations

import csv

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """How large a list's parts may be, in characters. What is larger is a bad row, and is never held in memory whole.

    Raises ValueError if a field may be larger than the csv module itself allows.
    """

    field: int = 64 * 1024
    row: int = 256 * 1024

    def __post_init__(self) -> None:
        if not 0 < self.field <= csv.field_size_limit() or not self.field <= self.row:
            raise ValueError(f"0 < field <= {csv.field_size_limit()} and field <= row")
