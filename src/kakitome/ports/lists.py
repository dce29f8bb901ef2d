"""Where a mailing list comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

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


class ListReader(Protocol):
    """A list that was opened and recognised. It reads the same rows every time, or raises `ListError` at the end of a
    pass over a list that is no longer the one that was opened."""

    @property
    def path(self) -> str:
        """As people write it: a path, or s3://bucket/key."""
        ...

    @property
    def version(self) -> str:
        """Which version of it the store hands out; empty on disk, where the digest alone says it."""
        ...

    @property
    def encoding(self) -> str: ...
    @property
    def delimiter(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def address_column(self) -> str: ...
    @property
    def digest(self) -> str:
        """Names the list: "sha256:" and the digest of its bytes."""
        ...

    def batches(self, n: int, start_line: int = 1) -> Iterator[list[Row | BadRow]]:
        """The rows that begin in line `start_line` or later, in order, in lists of `n`."""
        ...


class Rejects(Protocol):
    """Where bad rows are written for whoever made the list."""

    def write(self, rows: Sequence[BadRow]) -> None: ...
