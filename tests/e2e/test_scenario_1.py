"""`make scenario-1`, as a newcomer runs it: S1's move from Mandrill to SES, with SendGrid standing by."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WIDTH = 80
CHECKS = 26
PROVIDERS = ("ses", "sendgrid")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, but for the examples and what an earlier play has left."""
    folder = tmp_path_factory.mktemp("scenario")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "demo" / "scenario-1").mkdir(parents=True)
    (folder / "demo" / "scenario-1" / "shop.db").write_text("of an earlier play")
    return folder


@pytest.fixture(scope="module")
def told(place: Path) -> str:
    """What the play said on its way to its end, exit code 0."""
    command = [sys.executable, str(ROOT / "examples" / "scenarios" / "scenario_1.py")]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stderr


def accepted(place: Path, provider: str) -> list[dict[str, Any]]:
    lines = (place / "demo" / "scenario-1" / f"{provider}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def command(place: Path, *words: str) -> Any:
    """What the instance that the play left behind answers."""
    words = (str(Path(sys.executable).with_name("kakitome")), "--config", "demo/scenario-1/kakitome.toml", *words)
    done = subprocess.run([*words, "--json"], cwd=place, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_it_plays_to_its_end(told: str) -> None:
    """Every claim is checked, and what it says fits into a terminal."""
    lines = told.splitlines()
    assert sum(line.startswith("✓ ") for line in lines) == CHECKS
    commands = ("$ kakitome", "  .venv/bin/kakitome")
    assert [line for line in lines if len(line) > WIDTH and not line.startswith(commands)] == []


def test_no_mail_went_twice_over_both_providers(told: str, place: Path) -> None:
    """By their own records: the outage's orders at SendGrid, all the others and the canary at SES."""
    by = {provider: Counter(line["recipient"] for line in accepted(place, provider)) for provider in PROVIDERS}
    assert by["sendgrid"] == {f"order{number}@example.com": 1 for number in range(5, 10)}
    assert not by["ses"].keys() & by["sendgrid"].keys()
    assert by["ses"].pop("success@simulator.amazonses.com") >= 1
    assert set(by["ses"].values()) == {1}
    assert by["ses"]["lost@example.com"] == by["ses"]["hanako@example.jp"] == by["ses"]["back@example.com"] == 1
    assert sum(recipient.startswith("reader") for recipient in by["ses"]) == 1_000


def test_one_lookup_shows_both_lanes(told: str, place: Path) -> None:
    """Of the first order of the outage: refused at SES's door, taken by SendGrid."""
    [one] = [line for line in accepted(place, "sendgrid") if line["recipient"] == "order5@example.com"]
    [message] = command(place, "status", one["message"])["messages"]
    attempts = [entry for entry in message["timeline"] if entry["kind"] == "attempt"]
    assert [(one["lane"], one["outcome"]) for one in attempts] == [("ses", "unavailable"), ("sendgrid", "accepted")]


def test_the_figures_are_the_providers(told: str, place: Path) -> None:
    """Each account is charged for what its own record has, the mail whose reply was lost included."""
    ask = partial(command, place, "statistics")
    cost = {one["lane"]: one for one in ask("--cost")["cost"]}
    assert {lane: one["recipients"] for lane, one in cost.items()} == {
        provider: len(accepted(place, provider)) for provider in PROVIDERS
    }
    assert ask("--campaign", "winter")["failed"] == {"count": 1, "of": 1_001, "percent": 0.1}


def test_the_released_customer_has_a_trace(told: str, place: Path) -> None:
    """Mandrill's reason of years ago, and who let her in again."""
    history = [line["what"] for line in command(place, "explain", "hanako@example.jp")["history"]]
    assert any("550 5.2.1 mailbox disabled" in what for what in history)
    assert any("removed by Sato: by phone" in what for what in history)
