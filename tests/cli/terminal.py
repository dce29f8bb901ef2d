"""What the tests of the command line share: a folder with a configuration, and commands run in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kakitome.cli.main import main
from kakitome_simulator.remote import Remote

SENDER = "News <news@example.com>"


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Terminal:
    """Commands run in this process against the ledger of `folder`; `spawn` runs one in a process of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], lane: str = "", more: str = "") -> None:
        self.folder = folder
        self.config = folder / "kakitome.toml"
        self._capsys = capsys
        self.config.write_text(f'[ledger]\nurl = "sqlite:///{folder}/data/ledger.db"\n{lane}\n{more}\n')

    def run(self, *words: str) -> Said:
        self._capsys.readouterr()
        code = main([*words, "--config", str(self.config)])
        return Said(code, *self._capsys.readouterr())

    def json(self, *words: str, code: int = 0) -> Any:
        said = self.run(*words, "--json")
        assert said.code == code, said
        return json.loads(said.out)

    def spawn(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "import sys; from kakitome.cli.main import main; sys.exit(main())", *words]
        return subprocess.Popen(
            [*command, "--config", str(self.config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def put(self, name: str = "news", subject: str = "Hello {{ name }}") -> None:
        body = self.folder / f"{name}.html"
        body.write_text("<p>Dear {{ name }}, good news.</p>")
        said = self.run("template", "put", name, "--from", SENDER, "--subject", subject, "--html", str(body))
        assert said.code == 0, said

    def list(self, n: int, name: str = "list.csv", extra: Sequence[str] = ()) -> str:
        rows = [f"reader{k}@example.com,Reader {k}" for k in range(n)]
        path = self.folder / name
        path.write_text("\n".join(["email,name", *rows, *extra]) + "\n")
        return str(path)

    def start(self, path: str, *words: str, code: int = 0) -> Any:
        return self.json("campaign", "start", "--list", path, "--template", "news", *words, code=code)


def ses(remote: Remote, connections: int = 8, rate: float | None = None) -> str:
    """A lane into the simulator, with horizons of a fraction of a second."""
    assert remote.smtp is not None
    host, _, port = remote.smtp.partition(":")
    return f"""
[lanes.ses]
provider = "ses-smtp"
account = "simulator"
host = "{host}"
port = {port}
tls = "none"
connections = {connections}
timeout = "20s"
[accounts.simulator]
{"" if rate is None else f"rate = {rate}"}
[evidence]
horizon = "40ms"
neighbourhood = "40ms"
"""


def sums(rows: Mapping[str, int]) -> bool:
    """Whether `read` is the sum of the others."""
    return rows["read"] == sum(n for name, n in rows.items() if name != "read")


def recipients(remote: Remote) -> list[str]:
    return sorted(line.recipient for line in remote.accepted())
