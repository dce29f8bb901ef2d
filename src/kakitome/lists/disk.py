"""A list on disk. Its size and its time show most changes; the digest of a pass shows the others."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from kakitome.core.errors import ListError

from .origin import CHUNK, changed, empty, missing


class DiskFile(msgspec.Struct, frozen=True):
    """`size` in octets and `mtime_ns`, the time of the last change, are those of the moment it was pinned."""

    file: Path
    size: int
    mtime_ns: int

    @property
    def path(self) -> str:
        return str(self.file)

    @property
    def version(self) -> str:
        return ""

    def check(self) -> None:
        if pinned(self.file) != self:
            raise changed(self.path)

    def chunks(self) -> Iterator[bytes]:
        try:
            with self.file.open("rb", buffering=0) as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as error:
            why = f"{self.path} cannot be read: {error.strerror}."
            raise ListError(why, "Look at its permissions and its disk.") from error


def pinned(file: Path) -> DiskFile:
    """Raises `ListError` where there is nothing to read."""
    try:
        found = file.stat()
    except (OSError, ValueError) as error:
        raise missing(str(file)) from error
    if not stat.S_ISREG(found.st_mode):
        raise ListError(f"{file} is not a file.", "A list is read more than once, so it cannot come from a pipe.")
    if not found.st_size:
        raise empty(str(file))
    return DiskFile(file, found.st_size, found.st_mtime_ns)
