"""Every mistake in `mutants.toml` is found by the test that it names.

A mutant is a copy of the package with one replacement; its test runs against the copy in a process of its own and has
to fail. That the same test passes without the mistake is what the rest of the suite shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parent.parent
FAILED = 1  # pytest's exit code for failed tests; an error in collecting them, or no test of that name, is another
TOGETHER = 2
LONGEST = 240  # seconds; finding the smallest counterexample takes its time on a busy machine
ENVIRONMENT = {"KAKITOME_MUTANT": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # plugins take a second to load


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = msgspec.convert(tomllib.loads((ROOT / "tests/mutants.toml").read_text())["mutant"], list[Mutant])


def fate(mutant: Mutant, folder: Path) -> tuple[int, str]:
    """The exit code and the output of the mutant's test."""
    for part in ("src", "infra"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "cdk.out"))
    file = folder / mutant.file
    file.write_text(file.read_text().replace(mutant.old, mutant.new))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", mutant.test],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": f"{folder / 'src'}:{folder / 'infra'}"},
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def fates(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Mutant], Future[tuple[int, str]]]]:
    """Fates, two at a time, ahead of the tests that ask for them. Where pytest itself runs in several processes there
    is no running ahead: each of them would run everything."""
    chosen = [m for item in request.session.items if item.path == Path(__file__) for m in _mutant_of(item)]
    ahead = [] if "PYTEST_XDIST_WORKER" in os.environ else chosen
    with ThreadPoolExecutor(TOGETHER) as pool:

        def start(mutant: Mutant) -> Future[tuple[int, str]]:
            return pool.submit(fate, mutant, tmp_path_factory.mktemp("mutant"))

        started = {mutant: start(mutant) for mutant in ahead}
        yield lambda mutant: started.get(mutant) or start(mutant)


def _mutant_of(item: pytest.Item) -> list[Mutant]:
    callspec = getattr(item, "callspec", None)
    return [callspec.params["mutant"]] if callspec else []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_mutant_dies(mutant: Mutant, fates: Callable[[Mutant], Future[tuple[int, str]]]) -> None:
    """The replacement fits in exactly one place, and then the test fails."""
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    code, said = fates(mutant).result()
    assert code == FAILED, said


def test_names_are_unique() -> None:
    """A mutant is found by its name."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
