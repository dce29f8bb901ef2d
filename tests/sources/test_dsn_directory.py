"""Bounces that a mail server writes into a directory: what is left there, and what keeps nobody waiting."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from relay import Relay, fate
from reports import plain_mail
from returned import bounce, intake_of, noted, played

from kakitome.app import Instance
from kakitome.sources.dsn_directory import DsnDirectory
from kakitome.sources.dsn_report import NotAReport


def test_a_file_that_is_still_written_is_left(tmp_path: Path) -> None:
    """By its name, or because it cannot be read yet and is young; a Maildir's mails are in `new`."""

    async def story(instance: Instance, relay: Relay) -> None:
        inbox = tmp_path / "maildir"
        (inbox / "new").mkdir(parents=True)
        door = DsnDirectory(inbox, intake_of(instance), instance.clock)
        whole = bounce(relay)
        for name, raw in {".1": whole, "1.tmp": whole, "1": whole[:900]}.items():
            (inbox / "new" / name).write_bytes(raw)
        assert await door.look() == 0
        (inbox / "new" / "1").write_bytes(whole)
        assert await door.look() == 1
        (inbox / "new" / "1").write_bytes(whole)
        assert await door.look() == 1
        assert sorted(p.name for p in (inbox / "taken").iterdir()) == ["1", "1.1"]
        assert await noted(instance) == []

    played(tmp_path, story)


def test_what_may_not_be_read_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told when the others have been taken."""

    def read(path: Path) -> bytes:
        if path.name == "1":
            raise PermissionError(f"Permission denied: {path}")
        return path.read_bytes()

    async def story(instance: Instance, relay: Relay) -> None:
        inbox = tmp_path / "bounces-in"
        for name in ("1", "2"):
            (inbox / name).write_bytes(bounce(relay))
        with pytest.raises(PermissionError, match="denied"):
            await DsnDirectory(inbox, intake_of(instance), instance.clock).look()
        assert sorted(p.name for p in inbox.iterdir() if p.is_file()) == ["1"]
        assert (await fate(instance)).status == "bounced"

    monkeypatch.setattr("kakitome.sources.dsn_directory._read", read)  # root may read everything
    played(tmp_path, story)


def test_a_folder_that_may_only_be_read_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken that could not be moved away: each look would tell the journal of it once more."""

    async def story(instance: Instance, relay: Relay) -> None:
        (tmp_path / "bounces-in" / "letter").write_bytes(plain_mail())
        for _ in range(2):
            with pytest.raises(PermissionError, match="may not move"):
                await DsnDirectory(tmp_path / "bounces-in", intake_of(instance), instance.clock).look()
        assert await noted(instance) == []

    monkeypatch.setattr(os, "access", lambda *_: False)
    played(tmp_path, story)


def test_a_mail_that_trips_the_reader_up_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours in one file sets that file aside; those behind it are read."""

    def trips(raw: bytes, now: int) -> Any:
        raise RecursionError("too deep") if b"deep" in raw else NotAReport("a letter")

    async def story(instance: Instance, _: Relay) -> None:
        folder = tmp_path / "maildir"
        folder.mkdir()
        for name, raw in (("1", b"deep"), ("2", b"a letter")):
            (folder / name).write_bytes(raw)
            os.utime(folder / name, (0, 0))
        assert await DsnDirectory(folder, intake_of(instance), instance.clock).look() == 2
        assert (folder / "quarantine" / "1").exists()
        assert (folder / "ignored" / "2").exists()

    monkeypatch.setattr("kakitome.sources.dsn_intake.parse_dsn", trips)
    played(tmp_path, story)
