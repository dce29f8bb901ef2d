"""A list that another reader hands out row by row as well: Step Functions' CSV reader, to a Distributed Map's children.

Both must see the same rows, so what that one reads otherwise is refused. (*AWS Step Functions Developer Guide*,
"ItemReader": UTF-8, the delimiter of the state machine, the header in the first row; it fills up rows that are too
short and cuts off what is too much.)
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

from kakitome.core.address import parse_address
from kakitome.core.errors import AddressError, ListError
from kakitome.ports.lists import BadRow, Row

from .file import ListFile, maker

MOST: Final = 50
"""Rows that look good there and are not: each child is told their numbers."""


class NumberedList:
    """See `ports.lists.ListReader`. `bad` and `skip` are numbers of rows from 0, known when the list was read to its
    end: the bad ones, and those of them that look good over there."""

    def __init__(self, list: ListFile) -> None:
        """Raises `ListError`."""
        if list.encoding not in ("utf-8", "utf-8-sig", "ascii") or list.delimiter != "," or list.header_line != 1:
            raise ListError(
                f"{list.path} is {list.encoding} with {list.delimiter!r} between fields, its header in line "
                f"{list.header_line}. The state machine reads UTF-8 with commas, the header first. Nothing was sent.",
                "Export it as CSV UTF-8.",
            )
        self._list = list
        self.path, self.version, self.encoding, self.delimiter = list.path, list.version, list.encoding, list.delimiter
        self.columns, self.address_column, self.digest = list.columns, list.address_column, list.digest
        self.bad: tuple[int, ...] = ()
        self.skip: tuple[int, ...] = ()

    def batches(self, n: int, start_line: int = 1) -> Iterator[list[Row | BadRow]]:
        """The same as the list's. Raises `ListError` also where too many rows have another form than the header."""
        bad: list[int] = []
        skip: list[int] = []
        at = 0
        for batch in self._list.batches(n, start_line):
            for number, row in enumerate(batch, at):
                if isinstance(row, BadRow):
                    bad.append(number)
                    if self._looks_good(row.text):
                        skip.append(number)
            at += len(batch)
            if len(skip) > MOST:
                raise ListError(
                    f"More than {MOST} rows of {self.path} have an address and cannot be used, the last one with: "
                    f"{next(row.reason for row in reversed(batch) if isinstance(row, BadRow))} Nothing was sent.",
                    "Do all rows have as many fields as the header?",
                )
            yield batch
        self.bad, self.skip = tuple(bad), tuple(skip)

    def _looks_good(self, text: str) -> bool:
        fields = next(csv.reader([text]), [])
        at = self.columns.index(self.address_column)
        try:
            parse_address(fields[at] if at < len(fields) else "")
        except AddressError:
            return False
        return True


def row_of(line: int, address_column: str, columns: Mapping[str, str]) -> Row:
    """A row as that reader gives it, by its columns' names. Raises `AddressError`, and `ListError` where the list is
    not the one that was counted."""
    named = {_name(name): value for name, value in columns.items()}
    if address_column not in named:
        raise ListError(
            f"A row has no column {address_column!r}, as the list had when it was counted.",
            "Start again with the list as it is now; what was sent is not sent again.",
        )
    return maker(tuple(named), address_column)(line, list(named.values()))


def _name(name: str) -> str:
    """As `header` has it."""
    return unicodedata.normalize("NFC", name.removeprefix("\ufeff")).strip()
