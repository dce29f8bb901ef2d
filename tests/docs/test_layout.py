"""The shape of the code: small files that answer one question, narrow ports, no drawers for whatever."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest
from documents import ROOT

SOURCES = sorted((ROOT / "src").rglob("*.py"))
MOST_LINES, LONG, USUAL = 450, 300, 140
MOST_METHODS = 8

LONG_FOR_A_REASON = {
    "src/kakitome/testing/ledger_campaigns.py": "one clause of the contract after another; to divide it would hide it",
}
DRAWERS = {"utils", "util", "common", "helpers", "helper", "base", "manager", "managers", "misc"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


LINES = {name(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}


def protocols() -> dict[str, int]:
    """The protocols of the ports, and how many methods each asks for."""
    found = {}
    for path in sorted((ROOT / "src" / "kakitome" / "ports").glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases):
                methods = [part for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))]
                parts = [part for part in methods if part.decorator_list]  # a property names a part of the whole
                found[node.name] = len(methods) - len(parts)
    return found


def test_no_file_is_too_long() -> None:
    """Above 300 lines only with a reason that stands here; never above 450."""
    assert {path: n for path, n in LINES.items() if n > MOST_LINES} == {}
    assert {path for path, n in LINES.items() if n > LONG} == set(LONG_FOR_A_REASON)


def test_the_usual_file_is_short() -> None:
    """Half of them have at most 140 lines."""
    assert median(n for n in LINES.values() if n) <= USUAL


@pytest.mark.parametrize(("protocol", "methods"), protocols().items())
def test_a_port_is_narrow(protocol: str, methods: int) -> None:
    """At most eight methods: whoever writes an adapter can hold them in mind."""
    assert methods <= MOST_METHODS


def test_no_module_is_a_drawer() -> None:
    """A name that says what is in it."""
    assert [name(path) for path in SOURCES if DRAWERS & set(path.relative_to(ROOT).with_suffix("").parts)] == []


def test_the_simulator_shares_nothing_with_the_accused() -> None:
    """Nothing of kakitome is imported there, and there it is imported by the command line alone."""
    importers = {name(path) for path in SOURCES if "kakitome_simulator" in imported(path)}
    ours = {path for path in importers if path.startswith("src/kakitome/")}
    assert ours == {"src/kakitome/cli/main.py"}
    assert [name(p) for p in SOURCES if "kakitome_simulator" in p.parts and "kakitome" in imported(p)] == []


def imported(path: Path) -> set[str]:
    """The top packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_layout_names_what_is_there() -> None:
    """Every package of kakitome, and every module beside them, stands in CONTRIBUTING.md."""
    said = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Laws")[0]
    inside = [path for path in (ROOT / "src" / "kakitome").iterdir() if not path.name.startswith("_")]
    parts = {path.name + "/" for path in inside if path.is_dir()} | {p.name for p in inside if p.suffix == ".py"}
    assert [part for part in sorted(parts) if part not in said.split()] == []
