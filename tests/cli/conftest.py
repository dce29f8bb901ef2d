"""A provider for all tests of a file, forgetful between them; no environment of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import Terminal, ses

from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KAKITOME_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def _provider() -> Iterator[Remote]:
    with running("--no-authentication") as remote:
        yield remote


@pytest.fixture
def provider(_provider: Remote) -> Iterator[Remote]:
    """A simulator that has accepted nothing yet and has no faults."""
    _provider.faults([])
    _provider.reset()
    yield _provider
    _provider.faults([])


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Nothing leaves this machine."""
    return Terminal(tmp_path, capsys)


@pytest.fixture
def sending(tmp_path: Path, capsys: pytest.CaptureFixture[str], provider: Remote) -> Terminal:
    """Through the simulator."""
    return Terminal(tmp_path, capsys, ses(provider))
