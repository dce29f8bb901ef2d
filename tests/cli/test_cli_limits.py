"""What a person is told of the provider's limits before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import Terminal

from kakitome_simulator.pytest_plugin import running

LANE = '[lanes.ses]\nprovider = "ses"\nregion = "us-east-1"\nendpoint = "http://{}"'


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_a_plan_knows_when_it_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the account's rate, which nobody has to configure; and that it is in the sandbox is said before the send."""
    with running("--rate", "14", "--quota", "50000") as provider:
        here = Terminal(tmp_path, capsys, LANE.format(provider.http))
        here.put()
        words = ("campaign", "plan", "--list", here.list(140), "--template", "news")
        plan = here.json(*words)
        assert (plan["seconds"], plan["why_not"]) == (10.5, "")
        assert plan["ends"] is not None
        assert "sandbox" not in here.run(*words).err
        provider.limit(sandbox=True, rate=1)
        said = here.run(*words)
        assert "in the provider's sandbox: only verified recipients, 50,000 a day, 1 a second" in said.err
        assert provider.accepted() == []


def test_a_plan_says_why_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens there: the plan is made all the same, and no end is invented."""
    here = Terminal(tmp_path, capsys, LANE.format("127.0.0.1:9"))
    here.put()
    plan = here.json("campaign", "plan", "--list", here.list(3), "--template", "news")
    assert (plan["to_send"], plan["ends"]) == (3, None)
    assert "'ses-us-east-1' cannot be read: ConnectionRefusedError" in plan["why_not"]
