"""The templates, made once for all processes of a session."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from node import environment, program
from template import Template
from variants import VARIANTS

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Template]:
    program("cdk")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "assemblies"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            code = folder / "code"
            code.mkdir()
            (code / "there.py").write_text("")
            command = [sys.executable, str(HERE / "variants.py"), str(folder), str(code)]
            run = subprocess.run(command, env=environment(folder), capture_output=True, text=True, cwd=folder)
            assert run.returncode == 0, run.stderr
            (folder / "made").touch()
    read = {name: (folder / name / "Kakitome.template.json").read_text("utf-8") for name in VARIANTS}
    return {name: Template(json.loads(body)) for name, body in read.items()}


@pytest.fixture(scope="session")
def plain(templates: Mapping[str, Template]) -> Template:
    return templates["plain"]
