"""`make scenario-2`, as a newcomer runs it, with a shorter list: Distributed Map, configuration set, CDK, and roles and
policies that are obeyed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests" / "infra")]

from deployed import until  # noqa: E402
from node import program  # noqa: E402
from started import ends_with_parent  # noqa: E402

ROWS, CHECKS = 100, 20
PATIENCE = 280  # seconds


def started(folder: Path, **words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / "scenarios" / "scenario_2.py")],
        cwd=folder,
        env=os.environ | words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ends_with_parent(signal.SIGTERM),
    )


def test_a_mailing_by_step_functions(tmp_path: Path) -> None:
    """It ends 0, every claim checked; SES's own record has each address once for the issue, nobody who bounced earlier,
    and once those whose children were killed."""
    program("cdk")
    with started(tmp_path, KAKITOME_ROWS=str(ROWS)) as play:
        told, said = play.communicate(timeout=PATIENCE)
    assert play.returncode == 0, told + said
    assert said.count("✓") == CHECKS
    assert "opened" in told and "of the delivered" in told
    lines = (tmp_path / "demo" / "scenario-2" / "accepted.jsonl").read_text("utf-8").splitlines()
    accepted = [json.loads(line) for line in lines]
    held = Counter(one["recipient"] for one in accepted if one["recipient"].startswith("held-"))
    assert sorted(held.values()) == [1, 1]
    issue = Counter(one["recipient"].lower() for one in accepted if one["subject"].endswith("11月号"))
    assert set(issue.values()) == {1} and len(issue) == ROWS - 3
    assert "bounce+earlier@simulator.amazonses.com" not in issue
    assert sum(address.startswith("bounce+") for address in issue) == ROWS // 20


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who is left")
def test_a_play_that_is_ended_leaves_nobody(tmp_path: Path) -> None:
    """SIGTERM in the middle of the deployment ends emulator, simulator and CDK."""
    program("cdk")
    with started(tmp_path) as play:
        assert play.stderr is not None
        assert any(line.startswith("1 ") for line in play.stderr)  # the deployment begins
        play.terminate()
        play.communicate(timeout=PATIENCE)
    assert play.returncode == -signal.SIGTERM
    until(lambda: not any(str(tmp_path) in _words(one) for one in Path("/proc").glob("[0-9]*")), "some are left")


def _words(process: Path) -> str:
    try:
        return (process / "environ").read_text(errors="replace") + (process / "cmdline").read_text(errors="replace")
    except OSError:  # it has just ended
        return ""


@pytest.mark.skipif(os.name != "posix", reason="a search path")
def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    """A machine without Node: how to get it, and nothing was begun."""
    with started(tmp_path, PATH=str(tmp_path)) as play:
        _, said = play.communicate(timeout=PATIENCE)
    assert (play.returncode, said.count("\n")) == (1, 1)
    assert "apt-get install nodejs npm" in said
    assert not (tmp_path / "demo").exists()
