"""The rejects file: readable by Excel, harmless to Excel, private."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import pytest

from kakitome.lists import BadRow, RejectsFile
from kakitome.lists.rejects import guarded


def test_rejects(tmp_path: Path) -> None:
    """Line, reason and text come back from a UTF-8 file with a byte order mark, rows of several lines included."""
    path = tmp_path / "rejects.csv"
    path.write_text("an older file, longer than what is written now" * 9)
    with RejectsFile(path) as rejects:
        rejects.write([BadRow(7, "There is no @ in it.", '髙橋,"a\nb"'), BadRow(9, "=1+1", "\ud800")])
    assert rejects.count == 2
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "reason", "row"],
            ["7", "There is no @ in it.", '髙橋,"a\nb"'],
            ["9", "'=1+1", "?"],
        ]


def test_rejects_are_private(tmp_path: Path) -> None:
    """A file full of addresses is its owner's alone, also where an older one was not."""
    (tmp_path / "older.csv").touch(0o644)
    for name in ("rejects.csv", "older.csv"):
        with RejectsFile(tmp_path / name) as rejects:
            pass
        assert stat.S_IMODE(rejects.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＠x"])
def test_formulas_are_guarded(cell: str) -> None:
    """What a spreadsheet would compute becomes text."""
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "taro@example.com", "a=b", " =1", "'=1", "メール"])
def test_the_rest_is_left_alone(cell: str) -> None:
    """What a spreadsheet shows as it is, is written as it is."""
    assert guarded(cell) == cell
