"""Every demand of the five accounts stands in docs/scenarios.md once, with its account, and shows what it claims."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from documents import ROOT, functions_in

DOCUMENT = ROOT / "docs" / "scenarios.md"

# The accounts that make each demand; its row stands with the first of them, and the others name it.
DEMANDS = {
    "A1": "S0", "A2": "S0 S4", "A3": "S0 S4", "A4": "S0 S4", "A5": "S0 S4", "A6": "S4", "A7": "S4", "A8": "S4",
    "A9": "S4", "B1": "S0 S1", "B2": "S3", "B3": "S3", "B4": "S0", "B5": "S0 S3", "B6": "S0", "B7": "S0 S3",
    "B8": "S0", "B9": "S2 S1", "B10": "S2", "B11": "S2", "B12": "S4", "B13": "S4", "B14": "S3", "B15": "S1",
    "B16": "S3", "B17": "S0 S1 S2 S3 S4", "C1": "S1", "C2": "S2", "C3": "S0 S2 S4", "C4": "S4", "C5": "S3",
    "C6": "S3 S1", "C7": "S2", "C8": "S4", "D1": "S3", "D2": "S3", "D3": "S3 S1", "D4": "S3", "D5": "S3", "D6": "S3",
    "D7": "S1", "D8": "S2",
}  # fmt: skip

_SECTION = re.compile(r"^## (S\d): .*$", re.MULTILINE)
_ROW = re.compile(r"^\| (\w\d+) \| (.+?) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
_NOT_YET = re.compile(r"not yet \((?:issue \d|later)\)")
_TEST = re.compile(r"`((?:tests|src)/[\w/]+\.py)::(\w+)`")


class Row(NamedTuple):
    account: str
    demand: str
    state: str
    told: str


def sections() -> dict[str, str]:
    text = DOCUMENT.read_text("utf-8").split("\n## Decided otherwise\n")[0]
    parts = _SECTION.split(text)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


ROWS = [
    Row(account, demand, state, told)
    for account, text in sections().items()
    for demand, _, state, told in _ROW.findall(text)
]


def test_the_five_accounts_have_their_sections() -> None:
    """In order."""
    assert list(sections()) == ["S0", "S1", "S2", "S3", "S4"]


def test_every_demand_has_one_row() -> None:
    """With the first account that makes it."""
    expected = sorted((accounts.split()[0], demand) for demand, accounts in DEMANDS.items())
    assert sorted((row.account, row.demand) for row in ROWS) == expected


def test_every_account_names_all_of_its_demands() -> None:
    """In its rows, or above them where the row is another account's."""
    named = {account: set(re.findall(r"\b[ABCD]\d+\b", text)) for account, text in sections().items()}
    lacking = [
        (account, demand)
        for demand, accounts in DEMANDS.items()
        for account in accounts.split()
        if demand not in named[account]
    ]
    assert lacking == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.demand)
def test_a_row_shows_what_it_claims(row: Row) -> None:
    """What is there names a test that exists; what is not there says what it waits for."""
    shown = [name in functions_in(file) for file, name in _TEST.findall(row.told)]
    assert all(shown)
    if row.state == "yes":
        assert shown and not _NOT_YET.search(row.told)
    elif row.state == "partly":
        assert shown and _NOT_YET.search(row.told)
    else:
        assert _NOT_YET.fullmatch(row.state)
