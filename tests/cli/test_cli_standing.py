"""Why nothing goes out now, told to whoever asks from another process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminal import Terminal

from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

LANE = """
[lanes.ses]
provider = "ses"
region = "us-east-1"
endpoint = "http://{http}"
account = "tokyo"
[accounts.tokyo]
look = "100ms"
"""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """A quota of twenty, nineteen of which are for lists."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with running("--quota", "20") as provider:
        yield provider


def test_a_used_up_quota_is_seen_from_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small: Remote
) -> None:
    """`campaign status`, `unsent` and `quota` of other processes say it; nothing is stopped, no person is needed, and
    the list goes on by itself when the provider gives more."""
    here = Terminal(tmp_path, capsys, LANE.format(http=small.http))
    here.put()
    with here.spawn("campaign", "start", "--list", here.list(25), "--template", "news") as sender:
        try:
            until(lambda: "quota:tokyo" in here.run("campaign", "status", "news", "--json").out)
            [why] = here.json("campaign", "status", "news")["standing"]
            assert (why["gate"], why["reason"], why["until"] > why["since"]) == ("quota:tokyo", "quota", True)
            said = here.run("campaign", "status", "news").out
            assert "nothing goes out now" in said and "The quota of the day of tokyo is used up" in said
            [group] = here.json("unsent")["groups"]
            assert (group["kind"], group["cause"]) == ("parked", "quota")
            assert here.json("lane", "list")["stopped"] == []
            [account] = here.json("quota")["accounts"]
            assert (account["remaining"], [p["lists"] for p in account["parked"]]) == (1, [True])
            assert "lists wait" in here.run("quota").out
            small.limit(quota=100)
            assert sender.wait(timeout=30) == 0
        finally:
            sender.kill()
    assert here.json("unsent")["groups"] == []
    assert here.json("campaign", "status", "news")["standing"] == []
    assert len({line.recipient for line in small.accepted()}) == len(small.accepted()) == 25


def test_who_paused_it_and_that_nobody_sends(here: Terminal) -> None:
    """A paused campaign names the person; a running one without a worker says that there is none."""
    here.put()
    here.start(here.list(3), "--detach")
    [why] = here.json("campaign", "status", "news")["standing"]
    assert why["gate"] == "worker"
    assert "No worker is running. Start one: kakitome worker" in here.run("campaign", "status", "news").out
    here.json("campaign", "pause", "news", "--who", "aya")
    [why] = here.json("campaign", "status", "news")["standing"]
    assert (why["gate"], why["who"]) == ("run", "aya")
    assert "Paused by aya" in here.run("campaign", "status", "news").out


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
