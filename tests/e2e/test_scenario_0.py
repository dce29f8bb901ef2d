"""`make scenario-0`, as a newcomer runs it, with fewer targets: a zone dies in the middle of a list."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAY = [sys.executable, str(ROOT / "examples" / "scenarios" / "scenario_0.py")]
TARGETS = 200
CHECKS = 12
WIDTH = 80


def test_a_zone_dies_and_every_target_has_its_mail(tmp_path: Path) -> None:
    """It ends 0; by SES's record all have theirs, and twice only recorded doubts that were sent again."""
    if shutil.which("redis-server") is None:
        said = "There is no redis-server: apt-get install redis-server"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = os.environ | {"KAKITOME_TARGETS": str(TARGETS)}
    played = subprocess.run(
        PLAY, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert played.returncode == 0, played.stdout + played.stderr
    said = played.stderr
    assert said.count("✓ ") == CHECKS
    assert [line for line in said.splitlines() if line[:2] in ("✓ ", "  ") and len(line) > WIDTH] == []
    lines = (tmp_path / "demo" / "scenario-0" / "accepted.jsonl").read_text("utf-8").splitlines()
    got = Counter(json.loads(line)["recipient"] for line in lines)
    got.pop("success@simulator.amazonses.com", None)  # a canary, by which a lane that was stopped is tried again
    assert got.keys() == {f"target-{n:04}@example.jp" for n in range(1, TARGETS + 1)}
    twice = sum(n > 1 for n in got.values())
    [told] = re.findall(r"Twice: (\d+)", said)
    [again] = re.findall(r"Of (\d+) it said nothing", said)
    assert twice == int(told) <= int(again)
    assert said.count("Nothing was deleted") == 2 and "were thrown away on" in played.stdout + said
