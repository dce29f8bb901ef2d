"""What a SIGKILL, a SIGSTOP and a lost reply leave, judged by the provider's own record.

The short form (`make faults-short`, in CI) kills 300 times in all; `KAKITOME_FAULTS=10` makes every campaign ten times
as long (`make faults`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

RIG = Path(__file__).parent / "rig.py"
LENGTH = int(os.environ.get("KAKITOME_FAULTS", "1"))
CONNECTIONS = {"ses-smtp": 8, "ses": 16, "sendgrid": 16}
LOOPS = 2
LONGEST = 120  # seconds until a play that does not end is a failure

STEPS = (
    "before_admit",
    "after_admit",
    "before_claim",
    "after_claim",
    "after_render",
    "after_check",
    "before_mark",
    "after_mark",
    "after_reply",
    "before_settle",
    "after_settle",
    "after_batch",
    "before_reap",
    "after_reap",
)


def play(folder: Path, **plan: Any) -> Any:
    command = [sys.executable, str(RIG), json.dumps({"folder": str(folder), **plan})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as rig:
        try:
            said, _ = rig.communicate(timeout=LONGEST * LENGTH)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(rig.pid, signal.SIGKILL)  # what it forked, too
    assert rig.returncode == 0
    return json.loads(said)


def assert_nothing_lost(report: Any) -> None:
    assert report["messages"] > 0
    assert report["lost"] == []
    assert report["false_sent"] == []
    assert report["undoubted_doubles"] == []
    assert report["discrepancies"] == []


@pytest.mark.parametrize(
    ("lane", "events"),
    [("ses-smtp", "all"), ("ses-smtp", "none"), ("ses", "all"), ("ses", "none"), ("sendgrid", "all")],
)
def test_kills(tmp_path: Path, lane: str, events: str) -> None:
    """At random moments; with a lossless or a wholly silent event channel `evidence` sends nothing twice."""
    kills = 60 * LENGTH
    report = play(tmp_path, lane=lane, events=events, kills=kills, seed=len(lane) + len(events))
    assert_nothing_lost(report)
    assert report["doubled"] == []
    assert report["doubts"] <= kills * CONNECTIONS[lane] * LOOPS


def test_kills_beside_a_table(tmp_path: Path) -> None:
    """The ledger is DynamoDB, which outlives the worker; what a dead one left is found by the next."""
    report = play(
        tmp_path,
        ledger="dynamodb",
        lane="ses",
        faults=["slow:0.4"],
        kills=15 * LENGTH,
        first_mail=True,
        shortest_ms=100,
        longest_ms=900,
        feed=40,
        seed=3,
    )
    assert_nothing_lost(report)
    assert report["doubled"] == []
    assert report["proved"] + report["doubts"] > 0  # something was on the wire


def test_kills_judged_by_a_stranger(tmp_path: Path) -> None:
    """The same, and the record is that of aiosmtpd: nothing can prove what was in doubt, so a person is asked."""
    report = play(tmp_path, lane="smtp", events="none", kills=30 * LENGTH, seed=23)
    assert_nothing_lost(report)
    assert report["doubled"] == []
    assert report["accepted"] > 0


def test_partial_loss(tmp_path: Path) -> None:
    """With a fifth of the events lost, no streak is complete: doubts wait for a person, nothing is sent twice."""
    report = play(tmp_path, events="0.2", kills=20 * LENGTH, seed=3)
    assert_nothing_lost(report)
    assert report["doubled"] == []


@pytest.mark.parametrize("ledger", ["sqlite", "dynamodb"])
@pytest.mark.parametrize("step", STEPS)
def test_every_step(tmp_path: Path, step: str, ledger: str) -> None:
    """The plug is pulled at each named step, a few times each."""
    kills, feed = (4, 1_000) if ledger == "sqlite" else (2, 20)
    report = play(tmp_path, ledger=ledger, step=step, kills=kills * LENGTH, feed=feed, seed=5, kind="transactional")
    assert_nothing_lost(report)
    assert report["doubled"] == []


@pytest.mark.parametrize("step", ["before_append", "after_append", "before_seal", "after_seal"])
def test_import(tmp_path: Path, step: str) -> None:
    """A list that is killed at every other chunk goes on where it was; every row is there once."""
    report = play(tmp_path, play="import", step=step, kills=4, events="none", seed=19)
    assert_nothing_lost(report)
    assert report["messages"] == report["accepted"] == 12_000
    assert report["doubled"] == []


@pytest.mark.parametrize("step", ["before_fold", "after_fold"])
def test_events_while_their_door_dies(tmp_path: Path, step: str) -> None:
    """An event is acknowledged only when it is durable: the provider brings it again, and twice is once."""
    report = play(tmp_path, door_step=step, door_kills=5, kills=6, shortest_ms=300, longest_ms=600, seed=21)
    assert report["accepted"] > 100  # the door dies at its 20th event or a little later
    assert_nothing_lost(report)
    assert report["doubled"] == []
    assert report["unresolved"] == []


def test_two_processes(tmp_path: Path) -> None:
    """Two workers on one file, both killed again and again."""
    report = play(tmp_path, workers=2, kills=20 * LENGTH, seed=7)
    assert_nothing_lost(report)
    assert report["doubled"] == []


@pytest.mark.parametrize("step", ["after_check", "before_mark"])
def test_stopped_worker(tmp_path: Path, step: str) -> None:
    """A worker is stopped past its lease; its claims are doubted, resent on evidence; woken, it writes none of them."""
    report = play(
        tmp_path, play="stopped", step=step, margin="500ms", timeout="1s", feed=60, seed=9, neighbourhood="20s"
    )
    assert_nothing_lost(report)
    assert report["doubts"] > 0
    assert report["doubled"] == []


@pytest.mark.parametrize("lane", ["ses-smtp", "sendgrid"])
def test_lost_replies(tmp_path: Path, lane: str) -> None:
    """A tenth of the replies is lost after acceptance: each is in doubt, and its event proves it."""
    report = play(
        tmp_path, lane=lane, kills=5, faults=["lose_reply@share=0.1"], first_mail=True, longest_ms=400, seed=11
    )
    assert_nothing_lost(report)
    assert report["doubts"] > 0
    assert report["doubled"] == []
    assert report["unresolved"] == []


def test_hold_sends_nothing_twice(tmp_path: Path) -> None:
    """Under `hold` a doubt is never resent, whatever the events show."""
    report = play(tmp_path, step="after_mark", kills=10, in_doubt="hold", seed=13)
    assert_nothing_lost(report)
    assert report["doubled"] == []


def test_resend_doubles_only_doubts(tmp_path: Path) -> None:
    """Under `resend` better twice than never: every double has its recorded doubt."""
    lossy = ["lose_reply@share=0.2"]
    report = play(
        tmp_path, kills=10, events="none", faults=lossy, in_doubt="resend", first_mail=True, longest_ms=300, seed=15
    )
    assert_nothing_lost(report)
    assert report["doubled"] != []


def test_the_check_can_fail(tmp_path: Path) -> None:
    """The worker that most systems have sends twice under the same kills."""
    assert play(tmp_path, play="naive", kills=20, seed=17)["doubled"] != []
