"""`make scenario-3`, as a newcomer runs it: the booking site's outage, from start to end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLAY = [sys.executable, str(ROOT / "examples" / "scenarios" / "scenario_3.py")]
TRIED_IN_VAIN = range(11, 14)
DOUBTED = range(21, 26)
WAITED = range(31, 38)
AROUND_THE_KILL = range(41, 48)
OVER = (14, 38)  # tables for an evening that ended before SendGrid came back


def guests(*numbers: int) -> set[str]:
    return {f"guest-{n:02}@example.jp" for n in numbers}


def test_the_outage_and_what_it_taught(tmp_path: Path) -> None:
    """It ends 0; SendGrid's own record has every booking that was acknowledged once, and those of yesterday never."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    played = subprocess.run(PLAY, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stderr.count("✓") >= 25
    lines = (tmp_path / "demo" / "scenario-3" / "accepted.jsonl").read_text("utf-8").splitlines()
    accepted = [json.loads(line) for line in lines]
    copies = Counter(line["message"] for line in accepted)
    assert set(copies.values()) == {1}
    recipients = {line["recipient"] for line in accepted}
    booked = guests(1, 2, 3, *TRIED_IN_VAIN, *DOUBTED, *WAITED, *AROUND_THE_KILL, 51) | {"bounce+52@simulator.example"}
    assert booked <= recipients and not guests(*OVER) & recipients
    assert sum(recipient.startswith("reader-") for recipient in recipients) == 24
    bookings = [line["subject"] for line in accepted if line["sender"] == "stay@example.com"]
    assert bookings and all(subject.startswith("㈱髙木 ① 様のご予約") for subject in bookings)
