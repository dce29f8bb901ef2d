"""Fixtures for the tests of whoever sends mail: `pytest_plugins = ["kakitome_simulator.pytest_plugin"]`.

`simulator` is a running simulator with default options; `start_simulator("--rate", "14", …)` starts one with others.
Each is a process of its own and ends with the test.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from .remote import Remote

StartSimulator = Callable[..., Remote]


@pytest.fixture
def start_simulator() -> Iterator[StartSimulator]:
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(running(*arguments))


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> Remote:
    return start_simulator()


@contextmanager
def running(*arguments: str) -> Iterator[Remote]:
    """A simulator process; raises `RuntimeError` if it does not come up. It is ended by SIGTERM and waited for."""
    command = [sys.executable, "-m", "kakitome_simulator", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the simulator did not start: {' '.join(command)}")
            yield Remote(**json.loads(line))
        finally:
            process.terminate()
            process.wait(timeout=10)
