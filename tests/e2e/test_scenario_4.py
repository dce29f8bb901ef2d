"""`make scenario-4`, as a newcomer runs it: SES used properly, from start to end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLAY = [sys.executable, str(ROOT / "examples" / "scenarios" / "scenario_4.py")]


def people(name: str, n: int) -> set[str]:
    return {f"{name}-{k:03}@example.jp" for k in range(1, n + 1)}


def test_ses_used_properly(tmp_path: Path) -> None:
    """It ends 0; SES's own record has every mail once, those of throttled and parked lists included, and nothing of the
    second issue for who left."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    played = subprocess.run(PLAY, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stderr.count("✓") >= 28
    lines = (tmp_path / "demo" / "scenario-4" / "accepted.jsonl").read_text("utf-8").splitlines()
    accepted = [json.loads(line) for line in lines]
    assert set(Counter(line["message"] for line in accepted).values()) == {1}
    got = Counter(line["recipient"] for line in accepted)
    lists = (("http", 30), ("smtp", 30), ("late-http", 20), ("late-smtp", 20), ("full", 60))
    for name, n in lists:
        assert all(got[address] == 1 for address in people(name, n)), name
    left = "reader-007@example.jp"
    assert {address: got[address] for address in people("reader", 20) if got[address] != 2} == {left: 1}
    assert got["console@example.jp"] == 0
