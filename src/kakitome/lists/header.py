"""Which delimiter, which columns, and which of them is the address?

Nothing is guessed where a wrong guess would send mail: two columns that could be the address, a name that occurs
twice, a first row that is data already are refused, and the sentence says which option decides.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from kakitome.core.address import parse_address
from kakitome.core.errors import AddressError, ListError
from kakitome.ports.lists import BadRow

from .limits import Limits
from .records import Records

DELIMITERS = (",", "\t", ";")
ADDRESS_NAMES = ("email", "e-mail", "mail", "address", "to", "メール", "メールアドレス")
OPTION = "--address-column"


class Header(msgspec.Struct, frozen=True):
    """`columns` are the names, trimmed and NFC; `address_column` is one of them; `line` is where the header begins."""

    line: int
    delimiter: str
    columns: tuple[str, ...]
    address_column: str


def read_header(
    text: Callable[[], Iterable[str]], *, address_column: str | None, delimiter: str | None, limits: Limits
) -> Header:
    """Read the header from the beginning of a list; `text()` yields the list's text from its start, each time anew.

    Without a `delimiter` the one that gives the most columns is taken, if need be the one that gives an address column.
    Raises ListError in words for whoever made the list.
    """
    if delimiter is not None and delimiter not in DELIMITERS:
        raise ListError(f"Fields cannot be separated by {delimiter!r}.", "Known are comma, tab and semicolon.")
    tried = [_first_record(text(), one, limits) for one in ([delimiter] if delimiter else DELIMITERS)]
    first = max(tried, key=lambda it: (bool(_matches(it.columns, address_column)), len(it.columns)))
    if first.flaw:
        raise ListError(f"The header in line {first.line} cannot be read: {first.flaw}", "Is this a CSV file?")
    _check_names(first.columns)
    found = _address_column(first.columns, address_column)
    return Header(first.line, first.delimiter, tuple(first.columns), found)


class _First(msgspec.Struct):
    """The first record by one delimiter; with a flaw, its columns are only counted."""

    delimiter: str
    line: int
    columns: list[str]
    flaw: str = ""


def _first_record(text: Iterable[str], delimiter: str, limits: Limits) -> _First:
    first = next(iter(Records(text, delimiter, limits, lambda line, fields: (line, fields))), None)
    if first is None:
        raise ListError("The list is empty.", "Its first row names the columns.")
    if isinstance(first, BadRow):
        return _First(delimiter, first.line, first.text.split(delimiter), first.reason)
    return _First(delimiter, first[0], [unicodedata.normalize("NFC", name).strip() for name in first[1]])


def _check_names(columns: list[str]) -> None:
    if any(unicodedata.category(character) == "Cc" and character not in "\r\n\t" for character in "".join(columns)):
        raise ListError("The header has control characters in it: this may be a binary file.", "Export it as CSV.")
    if any(_is_address(name) for name in columns):
        raise ListError("The list has no header: its first row is data already.", "Name the columns in the first row.")
    nameless = [str(number) for number, name in enumerate(columns, 1) if not name]
    if nameless:
        raise ListError(f"Columns without a name: {', '.join(nameless)}.", "Name them in the header, or delete them.")
    twice = [name for name in dict.fromkeys(columns) if columns.count(name) > 1]
    if twice:
        raise ListError(f"More than one column is called {_quoted(twice)}.", "Give each column a name of its own.")


def _address_column(columns: list[str], wanted: str | None) -> str:
    found = _matches(columns, wanted)
    if len(found) == 1:
        return found[0]
    if found:
        raise ListError(
            f"More than one column could be the address: {_quoted(found)}.",
            f"Say which with {OPTION}.",
            columns=columns,
        )
    missing = f"There is no column “{wanted}”." if wanted is not None else "No column is recognised as the address."
    raise ListError(f"{missing} The list has {_quoted(columns)}.", f"Name the column with {OPTION}.", columns=columns)


def _matches(columns: list[str], wanted: str | None) -> list[str]:
    if wanted in columns:
        return [wanted]
    names = ADDRESS_NAMES if wanted is None else (_folded(wanted),)
    return [name for name in columns if _folded(name) in names]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except AddressError:
        return False
    return True


def _quoted(names: Iterable[str]) -> str:
    """The first twenty: a binary file that got this far may have thousands."""
    names = list(names)
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(f"“{name[:80]}”" for name in islice(names, 20)) + more
