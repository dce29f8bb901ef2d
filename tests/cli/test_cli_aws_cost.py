"""`campaign plan` says what AWS asks for where the ledger is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import Terminal

from dynamo_rig import REGION, asked, emulated
from emulator import KEYS
from kakitome.cli.aws_figures import aws_cost, aws_lines
from kakitome.config import Config, LedgerTable
from kakitome.core.aws_prices import AS_OF
from kakitome.ledgers.dynamodb import schema

TABLE = "plan-costs"


@pytest.fixture
def on_aws(here: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Nothing leaves this machine, and the ledger is a table."""
    asked("CreateTable", **schema.definition(TABLE))
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    url = f"dynamodb://{TABLE}?region={REGION}&endpoint={emulated()}"
    here.config.write_text(f'[ledger]\nurl = "{url}"\nfolder = "{here.folder}"\n')
    yield here
    asked("DeleteTable", TableName=TABLE)


def plan(folder: Path, rows: int) -> tuple[str, ...]:
    path = folder / "list.csv"
    path.write_text("email\n" + "".join(f"reader{n}@example.com\n" for n in range(rows)))
    return ("campaign", "plan", "--template", "news", "--list", str(path))


def test_the_plan_has_the_cost_on_aws(on_aws: Terminal, tmp_path: Path) -> None:
    """For people and for programs, with the date of the prices; sending and events apart."""
    text = tmp_path / "news.txt"
    text.write_text("Hello")
    on_aws.json("template", "put", "news", "--from", "n@example.com", "--subject", "News", "--text", str(text))
    told = on_aws.json(*plan(tmp_path, 1_000))["aws_cost"]
    assert (told["region"], told["currency"], told["prices_of"], told["why_not"]) == (REGION, "USD", AS_OF, None)
    assert 0.001 < float(told["sending"]) < 0.01 and 0.001 < float(told["events"]) < 0.01
    assert f"list prices of {AS_OF}" in on_aws.run(*plan(tmp_path, 1_000)).out


def test_a_ledger_on_this_machine_costs_nothing_there(here: Terminal, tmp_path: Path) -> None:
    """No line for people, null for programs."""
    text = tmp_path / "news.txt"
    text.write_text("Hello")
    here.json("template", "put", "news", "--from", "n@example.com", "--subject", "News", "--text", str(text))
    assert here.json(*plan(tmp_path, 3))["aws_cost"] is None
    assert "AWS" not in here.run(*plan(tmp_path, 3)).out


def test_a_region_without_prices_says_so() -> None:
    """Another region's prices would be wrong."""
    found = aws_cost(Config(ledger=LedgerTable(url="dynamodb://kakitome?region=eu-west-1")), 1_000, 50.0)
    ((_, line),) = aws_lines(found)
    assert "eu-west-1" in line and "USD" not in line
