"""What the documents say, taken apart: fences, links, commands, and the tests that they name."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kakitome.cli.grammar import grammar

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "README.ja.md")
DOCUMENTS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")
_INLINE = re.compile(r"`kakitome ([^`]+)`")
_TEST = re.compile(r"`?((?:tests|src)/[\w/]+\.py)::(\w+)")


@dataclass(frozen=True)
class Fence:
    language: str
    text: str


def fences(path: Path, *languages: str) -> list[Fence]:
    found = [Fence(language, text) for language, text in _FENCE.findall(path.read_text("utf-8"))]
    return [fence for fence in found if not languages or fence.language in languages]


def links(path: Path) -> list[Path]:
    """Where the relative links of a document lead."""
    return [path.parent / target for target in _LINK.findall(path.read_text("utf-8"))]


def named_tests(path: Path) -> list[tuple[str, str]]:
    """File and function of each `tests/….py::test_…` in a document."""
    return _TEST.findall(path.read_text("utf-8"))


@cache
def functions_in(file: str) -> frozenset[str]:
    """The test functions of a file, those of classes included; found by reading, not by running."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    )


def whole_commands(path: Path) -> Iterator[list[str]]:
    """Each line of a shell example that calls kakitome, as words behind its name."""
    for fence in fences(path, "sh", "console"):
        for line in fence.text.replace("\\\n", " ").splitlines():
            for part in line.removeprefix("$ ").split("&&"):
                if re.match(r"\s*(?:\S*/)?kakitome\s", part):
                    yield shlex.split(part, comments=True)[1:]


def inline_commands(path: Path) -> Iterator[list[str]]:
    """Commands within a sentence; what follows the command's own name may be left out there."""
    text = _FENCE.sub("", path.read_text("utf-8"))
    for said in _INLINE.findall(text):
        if words := command_alone(shlex.split(said)):
            yield words


def command_alone(words: list[str]) -> list[str]:
    """Without the options that stand before a command's name."""
    while words[:1] and words[0].startswith("--"):
        words = words[1:] if words[0] in ("--json", "--debug", "--help") else words[2:]
    return words


def command_names() -> list[str]:
    """Every command that the command line has: `campaign plan`, `send`, …"""
    return sorted(_names(grammar(), ""))


def is_command(words: list[str]) -> bool:
    """Whether words begin with a command's name (the name of a family, as in `kakitome template …`, included)."""
    parser: argparse.ArgumentParser | None = grammar()
    for word in words:
        inner = _commands(parser) if parser else {}
        if not inner:
            return True
        if word not in inner:
            return word == "…"
        parser = inner[word]
    return True


def _names(parser: argparse.ArgumentParser, before: str) -> Iterator[str]:
    inner = _commands(parser)
    if not inner:
        yield before.strip()
    for name, command in inner.items():
        yield from _names(command, f"{before} {name}")


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}
