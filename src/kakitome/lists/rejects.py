"""The rows that nothing was sent to, as a file that its reader can open in a spreadsheet, mend and send again."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from kakitome.ports.lists import BadRow

# What a spreadsheet takes for a formula (OWASP, CSV injection); the full-width ones count where the locale is Japanese.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class RejectsFile:
    """Writes `line,reason,row` in UTF-8 with a byte order mark, so that Excel shows Japanese; a context manager.

    An older file of that name is replaced. Only its owner can read the file: it is full of addresses. What was written
    is in the file when the file is closed. Raises OSError.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.count = 0
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)  # an older file keeps the mode it had
        self._file = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="", errors="replace")
        self._writer = csv.writer(self._file, quoting=csv.QUOTE_ALL)
        self._writer.writerow(("line", "reason", "row"))

    def write(self, rows: Iterable[BadRow]) -> None:
        for bad in rows:
            self._writer.writerow((bad.line, guarded(bad.reason), guarded(bad.text)))
            self.count += 1

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def guarded(cell: str) -> str:
    """The cell as text, whatever a spreadsheet would like to compute: with a leading apostrophe where it must be."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
