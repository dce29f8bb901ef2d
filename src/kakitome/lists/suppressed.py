"""Other providers' suppression lists, row by row: CSV with or without a header, JSON lines, and JSON documents."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kakitome.core.address import Address, parse_address
from kakitome.core.errors import AddressError, ListError
from kakitome.core.suppression_formats import Format, PassedOver, Told, plain_name, told
from kakitome.ports.lists import BadRow

DOCUMENT_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of one JSON document, which is read whole; JSON lines and CSV have no limit."""

LINE_LIMIT: Final = 32_000
_HEADLESS: Final = ("email_address", "reason")  # SES's own import files have no header


class Listed(msgspec.Struct, frozen=True):
    line: int
    address: Address
    told: Told


class Passed(msgspec.Struct, frozen=True):
    line: int
    why: str


def read(path: Path, format: Format, now: int) -> Iterator[Listed | Passed | BadRow]:
    """Every row, as it comes; of a JSON document the line is the entry's number. Raises `ListError`."""
    try:
        for line, row, text in _rows(path):
            yield _judged(line, row, text, format, path.name, now)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ListError(f"{path} cannot be read: {error}.", "Export it again, in UTF-8.") from error


def _judged(
    line: int, row: Mapping[str, str] | None, text: str, format: Format, file: str, now: int
) -> Listed | Passed | BadRow:
    try:
        if row is None:
            raise ListError("It is no entry of a list.")
        found = told(format, row, file, now)
        if isinstance(found, PassedOver):
            return Passed(line, found.why)
        return Listed(line, parse_address(found.address, allow_local_domain=True), found)
    except (ListError, AddressError) as error:
        return BadRow(line, error.what, text[:LINE_LIMIT])


_Raw = tuple[int, Mapping[str, str] | None, str]


def _rows(path: Path) -> Iterator[_Raw]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
    if first == "[":
        yield from _entries(_document(path))
    elif first == "{":
        yield from _json(path)
    else:
        yield from _csv(path)


def _json(path: Path) -> Iterator[_Raw]:
    """One object a line (SES's import files), or one document that holds the list (what the AWS CLI prints)."""
    with path.open(encoding="utf-8-sig") as file:
        if _object(file.readline()) is None:
            yield from _entries(_document(path))
            return
        file.seek(0)
        for line, text in enumerate(file, 1):
            if text.strip():
                found = _object(text)
                held = [found] if found is None or _list_of(found) is None else _list_of(found) or []
                yield from ((line, _plain(one), text.strip()) for one in held)


def _document(path: Path) -> list[Any]:
    if path.stat().st_size > DOCUMENT_LIMIT:
        raise ListError(f"{path} is too large for one JSON document.", "Export it as CSV, or page by page.")
    try:
        found = msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except msgspec.DecodeError as error:
        raise ListError(f"{path} is not JSON: {error}.", "Export it again.") from error
    listed = found if isinstance(found, list) else _list_of(found)
    if listed is None:
        raise ListError(f"{path} holds no list.", "Is it the right file?")
    return listed


def _entries(listed: list[Any]) -> Iterator[_Raw]:
    for number, one in enumerate(listed, 1):
        yield number, _plain(one), msgspec.json.encode(one).decode()


def _list_of(document: Any) -> list[Any] | None:
    values = document.values() if isinstance(document, dict) else ()
    return next((value for value in values if isinstance(value, list)), None)


def _object(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _plain(one: Any) -> Mapping[str, str] | None:
    if not isinstance(one, dict):
        return None
    return {plain_name(str(name)): _text(value) for name, value in one.items()}


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _csv(path: Path) -> Iterator[_Raw]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names: tuple[str, ...] = ()
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                headless = any("@" in cell for cell in cells)
                names = _HEADLESS if headless else tuple(map(plain_name, cells))
                if not headless:
                    continue
            row = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
            yield rows.line_num, row, ",".join(cells)
