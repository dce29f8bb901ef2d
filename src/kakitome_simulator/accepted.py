"""The judge of every test: what was accepted, one JSON line for each recipient, written before the reply.

A line is in the kernel's hands before the client hears of it, so a SIGKILL of the simulator forgets nothing that was
acknowledged. What can be left is a torn last line of a mail that nobody got a reply for; the next start cuts it off.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of one accepted mail. `size` and `sha256` are of the mail as it was handed in."""

    at: str  # ISO 8601, UTC, milliseconds
    provider: str
    sender: str
    recipient: str
    provider_message_id: str
    header_message_id: str | None  # as the client wrote it; SES puts its own in its place
    message: str | None  # the tag `kakitome_message`
    attempt: str | None  # the tag `kakitome_attempt`
    subject: str | None
    size: int  # bytes
    sha256: str  # hexadecimal


class AcceptedFile:
    """Append-only. Without a path it is a temporary file that nobody else sees."""

    def __init__(self, path: Path | None) -> None:
        if path is None:
            with tempfile.TemporaryFile() as file:
                self._descriptor = os.dup(file.fileno())
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._encoder = msgspec.json.Encoder()
        self._size = _whole_lines(self._descriptor)
        self._start = 0

    def append(self, records: Sequence[Accepted]) -> None:
        """All of them in one write, or none: raises `OSError` and leaves the file as it was before."""
        lines = self._encoder.encode_lines(records)
        if os.write(self._descriptor, lines) != len(lines):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(errno.ENOSPC, "the accepted file could not be written")
        self._size += len(lines)

    def forget(self) -> None:
        """From now on `lines` and `records` show only what comes after; the file keeps everything."""
        self._start = self._size

    def lines(self) -> bytes:
        """The JSON lines since the start of the file, or since the last `forget`."""
        return os.pread(self._descriptor, self._size - self._start, self._start)

    def records(self) -> list[Accepted]:
        return [msgspec.json.decode(line, type=Accepted) for line in self.lines().splitlines()]

    def close(self) -> None:
        os.close(self._descriptor)


def _whole_lines(descriptor: int) -> int:
    """Cut off a torn last line, if there is one, and tell the size that remains."""
    size = os.fstat(descriptor).st_size
    end, step = size, 65536
    while end > 0:
        start = max(0, end - step)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
    return end
