"""Where does each record of a CSV text begin and end? (RFC 4180, read strictly about quotes.)

A quote that is never closed is the classic accident: everything up to the next quote, thousands of rows further on,
looks like one cell, and may by chance even have the right number of columns. So

- text after a closing quote is an error, as is a quote that is open at the end of the text or beyond the row limit;
- a record of several lines that turns out broken is named by the line where it begins, and the lines after that one
  are then read again, each as a record by itself. What was swallowed is thereby sent or named, never lost.

Every line is read at most twice, whatever the text, and no more than a chunk and a row are held in memory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Generic, TypeVar

from kakitome.core.errors import AddressError
from kakitome.ports.lists import BadRow

from .encoding import FAULT
from .limits import Limits

T = TypeVar("T")

_TEXT_SHOWN = 32_000  # an Excel cell holds 32,767 characters
_SHOWN_AS = str.maketrans({FAULT: "\N{REPLACEMENT CHARACTER}", "\0": "\N{REPLACEMENT CHARACTER}"})


class Records(Generic[T]):
    """The records of a text, each turned into a `T` by `make(line, fields)`, which raises AddressError for what
    it does not take, blank records among it.

    `width` is the number of fields that every record must have, None if any will do. Records that begin before
    `start_line` are read, but neither made nor named. Iterate once.
    """

    def __init__(
        self,
        chunks: Iterable[str],
        delimiter: str,
        limits: Limits,
        make: Callable[[int, list[str]], T],
        *,
        width: int | None = None,
        start_line: int = 1,
    ) -> None:
        self._delimiter = delimiter
        self._limits = limits
        self._make = make
        self._width = width
        self._start_line = start_line
        self._lines = chain.from_iterable(_lines(self._watched(chunks), limits.row))
        self._taken: list[str] = []  # the physical lines of the record that is being read
        self._too_long = f"The row is longer than {limits.row:,} characters; a quote in it may be open."
        self._careful = False  # something odd was seen: from then on every record is inspected

    def __iter__(self) -> Iterator[T | BadRow]:
        """In the order of the text; blank records (no text in any field) are left out. Never raises for the text."""
        line, taken = 1, self._taken
        while True:
            try:
                for fields in self._parse(self._feed()):
                    record = self._judge(line, fields, taken)
                    if record is not None:
                        yield record
                    line += len(taken)
                    taken.clear()
                if not taken:
                    return
                reason = self._too_long
            except (csv.Error, _BrokenError) as error:
                reason = _reason(error)
            yield from self._salvage(line, reason)
            line += len(taken)
            taken.clear()

    def _parse(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        """Lines for the parser, kept in `_taken` until their record is done. Ends early where the row limit is passed:
        an exception would have to find its way through the parser."""
        taken, limits, size = self._taken, self._limits, 0
        for line in self._lines:
            size = size + len(line) if taken else len(line)
            taken.append(line)
            if size > limits.field:
                self._careful = True
                if size > limits.row:
                    return
            yield line

    def _watched(self, chunks: Iterable[str]) -> Iterator[str]:
        for chunk in chunks:
            if FAULT in chunk or "\0" in chunk:
                self._careful = True
            yield chunk

    def _judge(self, line: int, fields: list[str], text: list[str]) -> T | BadRow | None:
        """What this record is; None if it is blank or before the start. Raises _BrokenError if its extent is unsure."""
        if len(fields) != self._width or self._careful:
            if _is_blank(fields):
                return None
            self._check_extent(fields)
        if line < self._start_line:
            return None
        if self._careful and any(FAULT in field or "\0" in field for field in fields):
            return _bad_row(line, "There are bytes in it that mean nothing in the encoding of the list.", text)
        try:
            return self._make(line, fields)
        except AddressError as error:
            return None if _is_blank(fields) else _bad_row(line, str(error), text)

    def _check_extent(self, fields: list[str]) -> None:
        if self._width is not None and len(fields) != self._width:
            raise _BrokenError(f"The row has {len(fields)} fields, the header has {self._width}.")
        if max(map(len, fields)) > self._limits.field:
            raise _BrokenError(f"A field is longer than {self._limits.field:,} characters.")

    def _salvage(self, line: int, reason: str) -> Iterator[T | BadRow]:
        """Name the first line of a broken record, and read those after it again."""
        first, *others = self._taken
        if line >= self._start_line:
            yield _bad_row(line, reason, [first])
        for number, text in enumerate(others, line + 1):
            record = self._alone(number, text)
            if record is not None:
                yield record

    def _alone(self, line: int, text: str) -> T | BadRow | None:
        """The record that one line is by itself."""
        try:
            if len(text) > self._limits.row:
                raise _BrokenError(self._too_long)
            return self._judge(line, next(self._parse([text])), [text])
        except (csv.Error, _BrokenError) as error:
            return _bad_row(line, _reason(error), [text]) if line >= self._start_line else None


class _BrokenError(Exception):
    """A record that does not hold together; the message is the reason, for people."""


def _reason(error: Exception) -> str:
    """The csv module's complaint in words for people who have never heard of a parser."""
    for complaint, reason in _COMPLAINTS:
        if complaint in str(error):
            return reason
    return str(error)


_COMPLAINTS = (
    ("unexpected end of data", 'A quote (") is opened in this row and never closed.'),
    ("expected after", "There is text after a closing quote, so it is unclear where the field ends."),
    ("field limit", "A field is far too long; a quote may be open."),
)


def _is_blank(fields: list[str]) -> bool:
    return not any(map(str.strip, fields))


def _bad_row(line: int, reason: str, lines: Iterable[str]) -> BadRow:
    text = "".join(lines).rstrip("\r\n").translate(_SHOWN_AS)
    return BadRow(line, reason, text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 1] + "…")


def _lines(chunks: Iterable[str], limit: int) -> Iterator[list[str]]:
    """Physical lines with their line breaks (CR LF, LF or CR), some at a time.

    Of a line that is longer than `limit`, its beginning comes, still longer than `limit`; the rest is passed over.
    """
    rest = ""
    passing_over = False
    for chunk in chunks:
        rest += chunk
        # A CR at the very end may be half of a CR LF.
        cut = max(rest.rfind("\n"), rest.rfind("\r", 0, max(0, len(rest) - 1))) + 1
        if cut:
            lines = io.StringIO(rest[:cut], newline="").readlines()
            yield lines[1:] if passing_over else lines
            rest, passing_over = rest[cut:], False
        if len(rest) > limit + 1:
            if not passing_over:
                yield [rest[: limit + 1]]
            rest, passing_over = rest[-1:], True
    if not passing_over:
        yield io.StringIO(rest, newline="").readlines()
