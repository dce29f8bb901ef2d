"""`make demo`, as a newcomer runs it: to its end, again, and killed in the middle and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "examples" / "demo.py")]
SMALL = 599  # rows of the first 601 lines: one name has two lines
FINAL = ("sent", "suppressed", "failed", "dead", "unresolved", "expired", "cancelled", "closed")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.fixture
def small_place(tmp_path: Path) -> Path:
    """With the first rows of the list only."""
    for folder in ("booking", "newsletter"):
        shutil.copytree(ROOT / "examples" / folder, tmp_path / "examples" / folder)
    people = tmp_path / "examples" / "newsletter" / "recipients.csv"
    people.write_bytes(b"".join(people.read_bytes().splitlines(keepends=True)[: SMALL + 2]))
    return tmp_path


def demo(place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(DEMO, cwd=place, capture_output=True, text=True, check=False, timeout=240)


def newsletters(place: Path) -> Counter[tuple[str, str]]:
    """How often the provider accepted each recipient's copy of each message."""
    lines = (place / "demo" / "accepted.jsonl").read_text("utf-8").splitlines()
    return Counter((line["recipient"], line["message"]) for line in map(json.loads, lines))


def account(place: Path, campaign: str) -> Any:
    command = [str(Path(sys.executable).with_name("kakitome")), "--config", "demo/kakitome.toml", "--json"]
    done = subprocess.run([*command, "campaign", "status", campaign], cwd=place, capture_output=True, check=False)
    return json.loads(done.stdout)


def assert_every_row_is_in_one_place(place: Path, campaign: str, read: int = 2_000) -> None:
    rows = account(place, campaign)["rows"]
    assert rows["read"] == read
    assert rows["read"] == sum(n for name, n in rows.items() if name != "read")
    assert rows["read"] == rows["invalid"] + rows["duplicate"] + rows["already"] + sum(rows[name] for name in FINAL)


def test_the_demo_and_the_demo_again(place: Path) -> None:
    """It ends 0, every row is in one place, sent is what the provider has; once more sends nothing."""
    first = demo(place)
    assert first.returncode == 0, first.stderr
    for campaign in ("newsletter-2026-11", "newsletter-2026-12"):
        assert_every_row_is_in_one_place(place, campaign)
    assert account(place, "newsletter-2026-12")["rows"]["suppressed"] > 50
    accepted = newsletters(place)
    assert set(accepted.values()) == {1}

    again = demo(place)
    assert again.returncode == 0, again.stderr
    assert newsletters(place) == accepted


def test_killed_and_started_again(small_place: Path) -> None:
    """SIGKILL in the middle of the list; the next start brings every row to its end, and nobody gets it twice."""
    with subprocess.Popen(DEMO, cwd=small_place, stderr=subprocess.PIPE, text=True, start_new_session=True) as killed:
        assert killed.stderr is not None
        for line in killed.stderr:
            if "to send, 0 already" in line:
                break
        accepted = small_place / "demo" / "accepted.jsonl"
        while accepted.read_bytes().count(b"\n") < 200:
            assert killed.poll() is None
        os.killpg(killed.pid, signal.SIGKILL)
    again = demo(small_place)
    assert again.returncode in (0, 3), again.stderr
    for campaign in ("newsletter-2026-11", "newsletter-2026-12"):
        assert_every_row_is_in_one_place(small_place, campaign, SMALL)
    assert set(newsletters(small_place).values()) == {1}
    if again.returncode == 3:
        assert account(small_place, "newsletter-2026-11")["rows"]["unresolved"] > 0
        assert "doubt" in again.stderr + again.stdout
