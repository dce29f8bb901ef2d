"""The project's stack on the emulator (examples/scenarios/emulated_aws.py says what that is, and what it cannot do)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node import ROOT, program

sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "examples" / "scenarios")]

from emulated_aws import Aws, deploy, emulator  # noqa: E402

PATIENCE = 120  # seconds


@contextmanager
def deployed(folder: Path, code: Path, **context: str) -> Iterator[Aws]:
    """`code` is what the functions run, `context` parameters of the stack. Skips where there is no Node."""
    program("cdk")
    with emulator(folder) as aws:
        yield deploy(folder, aws, code=str(code), **({"concurrency": "10"} | context))


def ran(there: Aws, given: Mapping[str, str]) -> dict[str, Any]:
    """One execution of the state machine, to its end: what DescribeExecution says of it."""
    return there.ended(there.start(given), PATIENCE)


def until(condition: Callable[[], bool], otherwise: str) -> None:
    patience = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < patience, otherwise
        time.sleep(0.05)  # between two looks at a condition
