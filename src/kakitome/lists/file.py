"""A mailing list on disk: opened once, read as often as needed, always the same list.

A campaign is told by the digest of its list. So a pass over the rows computes the digest again, and says so at its end
if the file was not the one that was opened; rows of a changed file may by then have been handed out, which is why a
campaign becomes `ready` only after a whole pass.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kakitome.core.address import parse_address
from kakitome.core.errors import ListError
from kakitome.ports.lists import BadRow, Row

from .encoding import Recognition, decode, known
from .header import read_header
from .limits import Limits
from .records import Records

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK = 256 * 1024


class ListFile(msgspec.Struct, frozen=True, kw_only=True):
    """A list that was recognised: every figure and name is that of the moment of `open_list`.

    `digest` is "sha256:" and the hexadecimal digest of the raw bytes; `encoding` one of `encoding.ENCODINGS`.
    """

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    address_column: str
    header_line: int
    digest: str
    size: int
    mtime_ns: int
    limits: Limits = Limits()
    allow_local_domain: bool = False

    def rows(self, start_line: int = 1) -> Iterator[Row | BadRow]:
        """The rows that begin in line `start_line` or later, in order, in bounded memory.

        Blank lines and the header are no rows. Raises ListError if the file is no longer the one that was opened: at
        once where its size or time show it, else at the end of the pass. A pass that is given up early says nothing.
        """
        self._check(_stamp(self.path) == (self.size, self.mtime_ns))
        sha = hashlib.sha256()
        yield from Records(
            decode(_chunks(self.path, sha), self.encoding),
            self.delimiter,
            self.limits,
            self._maker(),
            width=len(self.columns),
            start_line=max(start_line, self.header_line + 1),
        )
        self._check(_stamp(self.path) == (self.size, self.mtime_ns) and _named(sha) == self.digest)

    def batches(self, n: int, start_line: int = 1) -> Iterator[list[Row | BadRow]]:
        """The same as `rows`, in lists of `n`; the last may be shorter."""
        rows = self.rows(start_line)
        while batch := list(islice(rows, n)):
            yield batch

    def _maker(self) -> Callable[[int, list[str]], Row]:
        columns, at, local = self.columns, self.columns.index(self.address_column), self.allow_local_domain

        def make(line: int, fields: list[str]) -> Row:
            address = parse_address(fields[at], allow_local_domain=local)
            return Row(line, address, dict(zip(columns, fields, strict=True)))

        return make

    def _check(self, unchanged: bool) -> None:
        if not unchanged:
            raise ListError(
                f"{self.path} has changed since it was opened.",
                "Start again with the list as it is now; what was sent is not sent again.",
            )


def open_list(
    path: str | Path,
    *,
    address_column: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    limits: Limits = Limits(),  # noqa: B008  it is frozen
    allow_local_domain: bool = False,
) -> ListFile:
    """Recognise a list in one pass over its bytes. What is given is not guessed.

    Raises ListError, with a sentence for whoever made the list, if it is not a CSV file with a header, an address
    column and at least one row. `data["path"]` is the path, `data["columns"]` the columns if they were in question.
    """
    path = Path(path)
    try:
        return _open(path, address_column, encoding, delimiter, limits, allow_local_domain)
    except ListError as error:
        error.data["path"] = str(path)
        raise


def _open(
    path: Path, address_column: str | None, encoding: str | None, delimiter: str | None, limits: Limits, local: bool
) -> ListFile:
    size, mtime_ns = _stamp(path)
    encoding, digest = _recognise(path, known(encoding) if encoding else None)

    def text() -> Iterator[str]:
        return decode(_chunks(path), encoding)

    header = read_header(text, address_column=address_column, delimiter=delimiter, limits=limits)
    list_file = ListFile(
        path=path,
        encoding=encoding,
        delimiter=header.delimiter,
        columns=header.columns,
        address_column=header.address_column,
        header_line=header.line,
        digest=digest,
        size=size,
        mtime_ns=mtime_ns,
        limits=limits,
        allow_local_domain=local,
    )
    if next(list_file.rows(), None) is None:
        raise ListError("The list has a header, but no rows.", "Was it saved before it was filled?")
    return list_file


def _recognise(path: Path, asked_for: str | None) -> tuple[str, str]:
    """Encoding and digest, in one pass. Being no text at all is found out even where an encoding was asked for."""
    sha, recognition = hashlib.sha256(), Recognition(asked_for)
    for chunk in _chunks(path, sha):
        recognition.feed(chunk)
    return recognition.result(), _named(sha)


def _chunks(path: Path, sha: _Hash | None = None) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                if sha is not None:
                    sha.update(chunk)
                yield chunk
    except OSError as error:
        raise ListError(f"{path} cannot be read: {error.strerror}.", "Look at its permissions and its disk.") from error


def _named(sha: _Hash) -> str:
    return f"sha256:{sha.hexdigest()}"


def _stamp(path: Path) -> tuple[int, int]:
    """Size in octets and time of the last change in ns. Raises ListError where there is nothing to read."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise ListError(f"There is no list at {path}.", "Look at the path.") from error
    if not stat.S_ISREG(found.st_mode):
        raise ListError(f"{path} is not a file.", "A list is read more than once, so it cannot come from a pipe.")
    if not found.st_size:
        raise ListError(f"{path} is empty.", "Was it saved before it was filled?")
    return found.st_size, found.st_mtime_ns
