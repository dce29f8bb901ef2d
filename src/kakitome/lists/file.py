"""A mailing list: opened once, read as often as needed, always the same list.

A campaign is told by the digest of its list. So a pass over the rows computes the digest again, and says so at its end
if the list was not the one that was opened; rows of a changed list may by then have been handed out, which is why a
campaign becomes `ready` only after a whole pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kakitome.core.address import parse_address
from kakitome.core.errors import ListError
from kakitome.ports.lists import BadRow, Row

from . import disk
from .encoding import Recognition, decode, known
from .header import read_header
from .limits import Limits
from .origin import Origin, changed
from .records import Records

if TYPE_CHECKING:
    from hashlib import _Hash


class ListFile(msgspec.Struct, frozen=True, kw_only=True):
    """A list that was recognised: every figure and name is that of the moment of `open_list`.

    `digest` is "sha256:" and the hexadecimal digest of the raw bytes; `encoding` one of `encoding.ENCODINGS`.
    """

    origin: Origin
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    address_column: str
    header_line: int
    digest: str
    limits: Limits = Limits()
    allow_local_domain: bool = False

    @property
    def path(self) -> str:
        return self.origin.path

    @property
    def version(self) -> str:
        return self.origin.version

    def rows(self, start_line: int = 1) -> Iterator[Row | BadRow]:
        """The rows that begin in line `start_line` or later, in order, in bounded memory.

        Blank lines and the header are no rows. Raises ListError if the list is no longer the one that was opened: at
        once where its origin shows it, else at the end of the pass. A pass that is given up early says nothing.
        """
        self.origin.check()
        sha = hashlib.sha256()
        yield from Records(
            decode(_chunks(self.origin, sha), self.encoding),
            self.delimiter,
            self.limits,
            self._maker(),
            width=len(self.columns),
            start_line=max(start_line, self.header_line + 1),
        )
        self.origin.check()
        if _named(sha) != self.digest:
            raise changed(self.path)

    def batches(self, n: int, start_line: int = 1) -> Iterator[list[Row | BadRow]]:
        """The same as `rows`, in lists of `n`; the last may be shorter."""
        rows = self.rows(start_line)
        while batch := list(islice(rows, n)):
            yield batch

    def _maker(self) -> Callable[[int, list[str]], Row]:
        return maker(self.columns, self.address_column, self.allow_local_domain)


def maker(columns: Sequence[str], address_column: str, local: bool = False) -> Callable[[int, list[str]], Row]:
    """Makes a row of its line and its fields. Raises `AddressError` where it has no good address."""
    at = columns.index(address_column)

    def make(line: int, fields: list[str]) -> Row:
        address = parse_address(fields[at], allow_local_domain=local)
        return Row(line, address, dict(zip(columns, fields, strict=True)))

    return make


def open_list(
    path: str | Path,
    *,
    address_column: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    limits: Limits = Limits(),  # noqa: B008  it is frozen
    allow_local_domain: bool = False,
) -> ListFile:
    """Recognise a list on disk, or at s3://BUCKET/KEY, in one pass over its bytes. What is given is not guessed.

    Raises ListError, with a sentence for whoever made the list, if it is not a CSV file with a header, an address
    column and at least one row. `data["path"]` is the path, `data["columns"]` the columns if they were in question.
    """
    try:
        return _open(_pinned(path), address_column, encoding, delimiter, limits, allow_local_domain)
    except ListError as error:
        error.data["path"] = str(path)
        raise


def _pinned(path: str | Path) -> Origin:
    if isinstance(path, str) and path.startswith("s3://"):
        from . import s3

        return s3.pinned(path)
    return disk.pinned(Path(path))


def _open(
    origin: Origin, address_column: str | None, encoding: str | None, delimiter: str | None, limits: Limits, local: bool
) -> ListFile:
    encoding, digest = _recognise(origin, known(encoding) if encoding else None)

    def text() -> Iterator[str]:
        return decode(_chunks(origin), encoding)

    header = read_header(text, address_column=address_column, delimiter=delimiter, limits=limits)
    list_file = ListFile(
        origin=origin,
        encoding=encoding,
        delimiter=header.delimiter,
        columns=header.columns,
        address_column=header.address_column,
        header_line=header.line,
        digest=digest,
        limits=limits,
        allow_local_domain=local,
    )
    if next(list_file.rows(), None) is None:
        raise ListError("The list has a header, but no rows.", "Was it saved before it was filled?")
    return list_file


def _recognise(origin: Origin, asked_for: str | None) -> tuple[str, str]:
    """Encoding and digest, in one pass. Being no text at all is found out even where an encoding was asked for."""
    sha, recognition = hashlib.sha256(), Recognition(asked_for)
    for chunk in _chunks(origin, sha):
        recognition.feed(chunk)
    return recognition.result(), _named(sha)


def _chunks(origin: Origin, sha: _Hash | None = None) -> Iterator[bytes]:
    for chunk in origin.chunks():
        if sha is not None:
            sha.update(chunk)
        yield chunk


def _named(sha: _Hash) -> str:
    return f"sha256:{sha.hexdigest()}"
