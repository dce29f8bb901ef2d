"""`make scenario-2`, as a newcomer runs it, with a shorter list: Distributed Map, configuration set, CDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "infra"))

from node import program  # noqa: E402

ROWS, CHECKS = 100, 13
PLAY = [sys.executable, str(ROOT / "examples" / "scenarios" / "scenario_2.py")]


def played(folder: Path, **words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        PLAY, cwd=folder, capture_output=True, text=True, check=False, timeout=280, env=os.environ | words
    )


@pytest.mark.skipif(
    "KAKITOME_PLAYS" not in os.environ,
    reason="takes minutes; set KAKITOME_PLAYS=1, or play it: make scenario-2",
)
def test_a_mailing_by_step_functions(tmp_path: Path) -> None:
    """It ends 0, every claim checked; SES's own record has each address once for the issue, and nobody who bounced
    earlier."""
    program("cdk")
    done = played(tmp_path, KAKITOME_ROWS=str(ROWS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("✓") == CHECKS
    assert "opened" in done.stdout and "of the delivered" in done.stdout
    lines = (tmp_path / "demo" / "scenario-2" / "accepted.jsonl").read_text("utf-8").splitlines()
    accepted = [json.loads(line) for line in lines]
    issue = Counter(one["recipient"].lower() for one in accepted if one["subject"].endswith("11月号"))
    assert set(issue.values()) == {1} and len(issue) == ROWS - 3
    assert "bounce+earlier@simulator.amazonses.com" not in issue
    assert sum(address.startswith("bounce+") for address in issue) == ROWS // 20


@pytest.mark.skipif(os.name != "posix", reason="a search path")
def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    """A machine without Node: how to get it, and nothing was begun."""
    done = played(tmp_path, PATH=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "apt-get install nodejs npm" in done.stderr
    assert not (tmp_path / "demo").exists()
