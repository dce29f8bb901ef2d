"""What the demo and the scenarios are played on: a provider of this machine, a Kakitome, and an audience.

A play does nothing that you could not type: every command is shown before it runs. What it claims it checks, against
the provider's own record of accepted mail, and a play whose check fails does not end 0.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from started import ends_with_parent, free_ports, wait_until

from kakitome.cli.main import main

__all__ = ["Stage", "check", "free_ports", "in_lines", "say", "wait_until"]

TOPICS = [f"arn:aws:sns:us-east-1:000000000000:kakitome-{kind}" for kind in ("bounces", "deliveries", "actions")]
KAKITOME = str(Path(sys.executable).with_name("kakitome"))


class Stage:
    """A folder with a configuration in it. `environment` is added to that of every command."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.environment = os.environ | (environment or {})

    @property
    def configuration(self) -> Path:
        return self.folder / "kakitome.toml"

    def configure(self, text: str) -> None:
        self.configuration.write_text(text, encoding="utf-8")

    def run(self, *words: str, may_fail: bool = False, codes: tuple[int, ...] = (0, 3)) -> int:
        """Show a command and run it. Exit code 3 is "done, but something needs a person"."""
        shown = in_lines(["$ kakitome", *map(shlex.quote, words)])
        print(f"\x1b[2m{shown}\x1b[0m" if sys.stderr.isatty() else shown, file=sys.stderr, flush=True)
        code = subprocess.run(self._command(*words), env=self.environment, check=False).returncode
        if code not in codes and not may_fail:
            raise SystemExit(f"kakitome {words[0]} ended with {code}, and this play expects another end.")
        return code

    def ask(self, *words: str) -> Any:
        """The JSON document that a command prints; nothing is shown."""
        with redirect_stdout(StringIO()) as said, redirect_stderr(StringIO()) as told, self._in_environment():
            code = main(self._command("--json", *words)[1:])  # here: a process for each look would cost half a second
        if code not in (0, 3):
            raise SystemExit(told.getvalue())
        return json.loads(said.getvalue())

    @contextmanager
    def _in_environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _command(self, *words: str) -> list[str]:
        return [KAKITOME, "--config", str(self.configuration), *words]

    @contextmanager
    def simulator(self, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A provider. What it accepts is in `NAME.jsonl`, what it says in `NAME.log`."""
        accepted = str(self.folder / f"{name}.jsonl")
        with self.child(name, [KAKITOME, "simulator", "--accepted", accepted, *words]) as process:
            assert process.stdout is not None
            process.stdout.readline()  # it listens
            yield process

    @contextmanager
    def server(self, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """`kakitome serve`, answering at the port."""
        with self.child("serve", self._command("serve")) as process:
            wait_until(lambda: _answers(port), 30, "kakitome serve did not start")
            yield process

    @contextmanager
    def child(self, name: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        """A process that dies with this one, even if this one is killed; what it says goes to NAME.log."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=ends_with_parent(signal.SIGTERM),
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
            if process.stdout is not None:
                process.stdout.close()

    def accepted(self, name: str) -> list[dict[str, Any]]:
        """The provider's own record. Of a line that it is just writing, a part may be there: that is no line yet."""
        file = self.folder / f"{name}.jsonl"
        lines = file.read_text("utf-8").split("\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in lines]


def in_lines(words: Sequence[str], columns: int = 78) -> str:
    """A command as one types it in a terminal of 80 columns; what is too long goes on behind a backslash."""
    lines = [words[0]]
    for word in words[1:]:
        if _width(lines[-1]) + 1 + _width(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    return " \\\n".join(lines)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def say(text: str) -> None:
    print(f"\n\x1b[1m{text}\x1b[0m" if sys.stderr.isatty() else f"\n{text}", file=sys.stderr, flush=True)


def check(holds: bool, claim: str) -> None:
    """Tell the audience what was just shown. Raises `SystemExit` where it was not."""
    if not holds:
        raise SystemExit(f"This should be so, and is not: {claim}")
    print(f"✓ {claim}", file=sys.stderr, flush=True)


def _answers(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0
