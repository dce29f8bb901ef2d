"""Delivery reports out of a directory into which a mail server writes each mail as a file, a Maildir for instance.

A file is moved to `taken`, `ignored` or `quarantine` after what it says is durable: whoever is killed before sees it
again, and then it is known. Several workers may look at one directory.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Final

from kakitome.core.errors import LedgerUnavailable
from kakitome.ports.clock import Clock
from kakitome.sources.dsn_intake import Intake, Shelf, Verdict
from kakitome.sources.dsn_report import REPORT_LIMIT

log = logging.getLogger("kakitome.bounces")

PAUSE: Final = 5.0  # seconds between looks
AT_ONCE: Final = 500
STILL_WRITTEN: Final = 60_000  # ms: what cannot be read and is younger may not be whole yet


class DsnDirectory:
    """A door. `folder` is the directory, or the Maildir whose `new` it is."""

    def __init__(self, folder: Path, intake: Intake, clock: Clock) -> None:
        self._folder = folder
        self._intake = intake
        self._clock = clock
        self._said = ""

    async def run(self) -> None:
        """Look again and again until cancelled; trouble is told once and outlived."""
        while True:
            try:
                await self.look()
                self._said = ""
            except (LedgerUnavailable, OSError) as trouble:
                self._tell(f"Bounces in {self._folder} wait: {trouble}")
            await asyncio.sleep(PAUSE)

    async def look(self) -> int:
        """Take in what is there, at most 500 files; answers how many were moved. Raises `LedgerUnavailable`, `OSError`:
        of one file only when all others were looked at.

        A name that begins with a dot or ends in `.tmp` is a file that is still written; so may be one that cannot be
        read yet, for a minute.
        """
        moved, forbidden = 0, None
        for path in await asyncio.to_thread(self._files):
            try:
                moved += await self._one(path)
            except FileNotFoundError:  # another worker was first
                pass
            except PermissionError as error:
                forbidden = error
        if forbidden is not None:
            raise forbidden
        return moved

    def _files(self) -> list[Path]:
        new = self._folder / "new"
        there = new if new.is_dir() else self._folder
        if not os.access(there, os.W_OK | os.X_OK):  # else each look would tell the journal of the same files anew
            raise PermissionError(f"this user may not move files out of {there}, so none is read")
        mails = [p for p in there.iterdir() if not p.name.startswith(".") and p.suffix != ".tmp"]
        return sorted(p for p in mails if p.is_file() and not p.is_symlink())[:AT_ONCE]

    async def _one(self, path: Path) -> bool:
        raw = await asyncio.to_thread(_read, path)
        verdict = await self._intake.take(raw)
        if verdict.shelf == "quarantine" and await asyncio.to_thread(self._young, path):
            return False
        await self._intake.note(verdict, raw, "directory")
        await asyncio.to_thread(_move, path, self._folder / verdict.shelf)
        _log(verdict, path.name)
        return True

    def _young(self, path: Path) -> bool:
        return self._clock.now() - path.stat().st_mtime_ns // 1_000_000 < STILL_WRITTEN

    def _tell(self, text: str) -> None:
        if text != self._said:
            self._said = text
            log.error("%s", text)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(REPORT_LIMIT + 1)


def _move(path: Path, shelf: Path) -> None:
    shelf.mkdir(exist_ok=True)
    path.rename(_free(shelf, path.name))


def _free(shelf: Path, name: str) -> Path:
    number, target = 0, shelf / name
    while target.exists():
        number += 1
        target = shelf / f"{name}.{number}"
    return target


def keep(folder: Path, shelf: Shelf, name: str, raw: bytes) -> None:
    """Write a mail that came another way onto a shelf; it is on the disk when this returns."""
    there = folder / shelf
    there.mkdir(parents=True, exist_ok=True)
    target = there / name
    with target.with_name(f".{name}").open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    target.with_name(f".{name}").rename(target)


def _log(verdict: Verdict, name: str) -> None:
    if verdict.shelf == "quarantine":
        log.warning("The bounce %s is in quarantine: %s", name, verdict.why)
