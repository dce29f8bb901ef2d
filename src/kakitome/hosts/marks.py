"""Wire marks: what a worker was doing when it died.

A mapped file of one header and 1,024 places (three batches, and room). A store into the mapping costs no system call,
and the kernel keeps it over a SIGKILL. A place says which attempt is on the wire, and then what its reply was: so a
kill leaves in doubt only what had no reply yet, although replies are settled in batches.

    header, 64 bytes    magic, version, number of places, worker id, boot id's hash, crc
    place, 128 bytes    message, fence, time, crc of these three; kind, provider id, crc of these two

The halves of a place have their own checksums since they are written at different times: a torn first half says that
something was on the wire and not what; a torn second half is as good as no reply.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from kakitome.core.ids import Fence, MessageId
from kakitome.ports.workers import Mark, MarkKind

MAGIC = b"KKTM"
VERSION = 1
PLACES = 1024
HEADER = struct.Struct("<4sHH40sI")  # magic, version, places, worker, crc
HEADER_SIZE = 64
PLACE_SIZE = 128
_FIRST = struct.Struct("<qqqI")
_SECOND = struct.Struct("<BB80sI")
_SECOND_AT = _FIRST.size
LONGEST_ID = 80


class MarkFile:
    """The marks of this process's worker; see `ports.workers.Marks`."""

    def __init__(self, path: Path, worker: str) -> None:
        size = HEADER_SIZE + PLACES * PLACE_SIZE
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)  # a full disk must show here, not as SIGBUS at a mark
            self._map = mmap.mmap(fd, size)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(fd)
        head = HEADER.pack(MAGIC, VERSION, PLACES, worker.encode(), 0)[:-4]
        self._map[: HEADER.size] = head + struct.pack("<I", crc32(head))
        self._free = list(range(PLACES - 1, -1, -1))

    def mark(self, message: MessageId, fence: Fence, now: int) -> int:
        place = self._free.pop()
        body = struct.pack("<qqq", message, fence, now)
        at = HEADER_SIZE + place * PLACE_SIZE
        self._map[at : at + _FIRST.size] = body + struct.pack("<I", crc32(body))
        return place

    def note(self, place: int, kind: MarkKind, provider_id: str = "") -> None:
        text = provider_id.encode()
        if len(text) > LONGEST_ID:
            text = b""
        body = struct.pack("<BB80s", kind, len(text), text)
        at = HEADER_SIZE + place * PLACE_SIZE + _SECOND_AT
        self._map[at : at + _SECOND.size] = body + struct.pack("<I", crc32(body))

    def clear(self, places: Sequence[int]) -> None:
        for place in places:
            at = HEADER_SIZE + place * PLACE_SIZE
            self._map[at : at + PLACE_SIZE] = bytes(PLACE_SIZE)
            self._free.append(place)

    def close(self) -> None:
        self._map.close()


def read_marks(path: Path) -> list[Mark] | None:
    """The marks in a file whose worker is gone; None where the file, or a mark's name in it, cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) < HEADER_SIZE + PLACES * PLACE_SIZE:
        return None
    magic, version, places, _, crc = HEADER.unpack_from(data)
    if (magic, version, places) != (MAGIC, VERSION, PLACES) or crc != crc32(data[: HEADER.size - 4]):
        return None
    marks = []
    for place in range(PLACES):
        at = HEADER_SIZE + place * PLACE_SIZE
        whole = data[at : at + PLACE_SIZE]
        if not any(whole[: _FIRST.size]):
            continue
        mark = _read(whole)
        if mark is None:
            return None  # something was on the wire, and what it was is not known
        marks.append(mark)
    return marks


def _read(place: bytes) -> Mark | None:
    message, fence, _, crc = _FIRST.unpack_from(place)
    if crc != crc32(place[: _FIRST.size - 4]):
        return None
    second = place[_SECOND_AT : _SECOND_AT + _SECOND.size]
    kind, length, text, crc = _SECOND.unpack(second)
    if crc == crc32(second[:-4]) and kind in (MarkKind.ACCEPTED, MarkKind.REFUSED):
        return Mark(MessageId(message), Fence(fence), MarkKind(kind), text[:length].decode(errors="replace"))
    return Mark(MessageId(message), Fence(fence), MarkKind.ON_THE_WIRE)
