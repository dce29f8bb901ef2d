"""A disk that remembers what was written and what was synced, and can show what a power cut at any moment leaves.

What was synced is there. Of what was written since, any part may be: a disk writes back in the order that it likes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import apsw
import msgspec


class Write(msgspec.Struct, frozen=True):
    path: str
    offset: int
    data: bytes


class Truncate(msgspec.Struct, frozen=True):
    path: str
    size: int


class Sync(msgspec.Struct, frozen=True):
    path: str


class Delete(msgspec.Struct, frozen=True):
    path: str


Operation = Write | Truncate | Sync | Delete


class Disk:
    def __init__(self) -> None:
        self.log: list[Operation] = []

    def image(self, moment: int, random: Random) -> dict[str, bytearray]:
        """The files as they may be found after a cut behind the first `moment` operations."""
        files: dict[str, bytearray] = {}
        unsynced: dict[str, list[Operation]] = {}
        for operation in self.log[:moment]:
            waiting = unsynced.setdefault(operation.path, [])
            if isinstance(operation, Sync):
                for done in waiting:
                    _apply(files, done)
                waiting.clear()
            elif isinstance(operation, Delete):  # SQLite has the folder synced with it
                files.pop(operation.path, None)
                waiting.clear()
            else:
                waiting.append(operation)
        for waiting in unsynced.values():
            for operation in waiting:
                if random.random() < 0.5:
                    _apply(files, operation)
        return files


def _apply(files: dict[str, bytearray], operation: Operation) -> None:
    content = files.setdefault(operation.path, bytearray())
    if isinstance(operation, Truncate):
        del content[operation.size :]
    elif isinstance(operation, Write):
        end = operation.offset + len(operation.data)
        content.extend(bytes(max(0, end - len(content))))
        content[operation.offset : end] = operation.data


@contextmanager
def recorded() -> Iterator[Disk]:
    """Every connection that is opened in here writes through a disk that remembers."""
    disk = Disk()

    class File(apsw.VFSFile):
        def __init__(self, inherit: str, name: Any, flags: list[int]) -> None:
            super().__init__(inherit, name, flags)
            self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
            disk.log.append(Write(self._path, offset, bytes(data)))
            super().xWrite(data, offset)

        def xTruncate(self, size: int) -> None:  # noqa: N802
            disk.log.append(Truncate(self._path, size))
            super().xTruncate(size)

        def xSync(self, flags: int) -> None:  # noqa: N802
            disk.log.append(Sync(self._path))
            super().xSync(flags)

    class Recorder(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("recorder", "unix", makedefault=True)

        def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
            return File("unix", name, flags)

        def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
            disk.log.append(Delete(filename))
            super().xDelete(filename, syncdir)

    recorder = Recorder()
    try:
        yield disk
    finally:
        recorder.unregister()


def write_image(files: dict[str, bytearray], folder: Path) -> None:
    for path, content in files.items():
        name = Path(path).name
        if not name.endswith("-shm"):  # memory, gone with the power
            (folder / name).write_bytes(content)
