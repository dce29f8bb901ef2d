"""The life of a message, as the documents tell it and as the code obeys it."""

from __future__ import annotations

import re
import runpy

from documents import ROOT

from kakitome.core.evidence import LaneRecord, residual
from kakitome.core.lifecycle import State
from kakitome.core.outcome import Accepted, Deferred, Rejected, Released, Unavailable, Uncertain

TOOL = ROOT / "tools" / "lifecycle_diagram.py"
DOCUMENT = ROOT / "docs" / "life-of-a-message.md"
GUARANTEES = ROOT / "docs" / "guarantees.md"
OUTCOMES = (Accepted, Deferred, Rejected, Unavailable, Uncertain, Released)


def first_cells(heading: str) -> list[str]:
    """What stands in code marks at the beginning of the rows below a heading."""
    section = DOCUMENT.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_the_diagram_is_drawn_from_the_table() -> None:
    """Byte by byte; `python tools/lifecycle_diagram.py` draws it anew."""
    text = DOCUMENT.read_text("utf-8")
    assert runpy.run_path(str(TOOL))["drawn"](text) == text, "run: python tools/lifecycle_diagram.py"


def test_every_state_has_its_row() -> None:
    """In the order of the code, each once."""
    assert first_cells("States") == [state.word for state in State]


def test_every_outcome_has_its_row() -> None:
    """All six, each once."""
    assert sorted(first_cells("Outcomes")) == sorted(outcome.__name__.lower() for outcome in OUTCOMES)


def test_every_step_says_what_a_crash_leaves() -> None:
    """The named steps of the verbs are the rows of the guarantees' tables, and no others are."""
    sources = (ROOT / "src" / "kakitome").glob("*.py")
    steps = {step for path in sources for step in re.findall(r"\bstep\(\"(\w+)\"\)", path.read_text("utf-8"))}
    section = GUARANTEES.read_text("utf-8").split("\n## What a crash leaves\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(rows) == sorted(steps)


def test_the_residual_probabilities_are_those_of_the_code() -> None:
    """The table's figures, rounded as the journal's notes are."""
    rows = re.findall(r"^\| ([\d,]+) \| ([\d.]+) % \|$", GUARANTEES.read_text("utf-8"), re.MULTILINE)
    assert rows
    for neighbours, percent in rows:
        n = int(neighbours.replace(",", ""))
        assert f"{100 * residual(LaneRecord(n, n, n, n, None)):.2g}" == percent
