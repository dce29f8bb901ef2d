"""What holds for every document: links lead somewhere, commands are known, tests that are named exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents import (
    DOCUMENTS,
    ROOT,
    command_alone,
    command_names,
    functions_in,
    inline_commands,
    is_command,
    links,
    named_tests,
    whole_commands,
)

from kakitome.cli.grammar import grammar

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    """To a file or folder of this project."""
    assert [str(target) for target in links(document) if not target.exists()] == []


@every_document
def test_shell_examples_are_good_usage(document: Path) -> None:
    """Each `kakitome …` in an example is taken by the command line's own grammar, options and all."""
    for words in whole_commands(document):
        if words[:1] != ["simulator"]:
            grammar().parse_args(words)


@every_document
def test_commands_in_sentences_are_known(document: Path) -> None:
    """`kakitome …` in running text begins with a command that there is."""
    assert [words for words in inline_commands(document) if not is_command(words)] == []


@every_document
def test_tests_that_are_named_exist(document: Path) -> None:
    """A promise that points to a test points to one that is there."""
    assert [f"{file}::{name}" for file, name in named_tests(document) if name not in functions_in(file)] == []


def test_every_command_is_shown_somewhere() -> None:
    """In an example or a sentence of some document."""
    shown = [command_alone(words) for path in DOCUMENTS for words in (*whole_commands(path), *inline_commands(path))]
    names = {name: name.split() for name in command_names()}
    assert [name for name, words in names.items() if not any(said[: len(words)] == words for said in shown)] == []


def test_commands_that_a_message_names_exist() -> None:
    """Who is told what to type in an error finds it there: the command of a family, by its second word."""
    families = {name.split()[0] for name in command_names() if " " in name}
    said = re.compile(rf"kakitome ({'|'.join(sorted(families))}) ([a-z]+)")
    sources = [path.read_text("utf-8") for path in (ROOT / "src" / "kakitome").rglob("*.py")]
    named = {found.groups() for text in sources for found in said.finditer(text)}
    assert len(named) > 5
    assert sorted(words for words in named if not is_command(list(words))) == []


def test_every_rfc_that_the_code_follows_is_named() -> None:
    """What a comment says to obey stands in docs/specs.md."""
    sources = [path.read_text("utf-8") for path in (ROOT / "src" / "kakitome").rglob("*.py")]
    followed = {number for text in sources for number in re.findall(r"RFC (\d{3,4})", text)}
    named = set(re.findall(r"\b\d{3,4}\b", (ROOT / "docs" / "specs.md").read_text("utf-8")))
    assert sorted(followed - named) == []
