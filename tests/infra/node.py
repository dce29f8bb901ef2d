"""Node, the CDK's command line and the validator of state machines: where `make .venv/infra` puts them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "infra"
PROGRAMS = Path(sys.prefix) / "node" / "node_modules" / ".bin"
HOW = "needs Node and the CDK: install Node (Debian: nodejs npm), then `make .venv/infra`"

sys.path.append(str(APP))  # behind PYTHONPATH, where a mutant stands


def program(name: str) -> str:
    """The path of a program of Node's; the test is skipped, saying how it would run, where it is not there."""
    if shutil.which("node") is None or not (PROGRAMS / name).exists() or importlib.util.find_spec("aws_cdk") is None:
        pytest.skip(HOW)
    return str(PROGRAMS / name)


def environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's own AWS or CDK settings; `home` instead of what the CLI remembers of accounts."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_", "KAKITOME_"))}
    quiet = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1", "CI": "true", "CDK_DISABLE_CLI_TELEMETRY": "true"}
    return kept | quiet | {"CDK_HOME": str(home), "NO_PROXY": "127.0.0.1,localhost"}
