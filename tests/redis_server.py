"""A real Redis, as a process on a free port, and what is asked of it by a connection of the test's own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60  # seconds


class Server:
    def __init__(self, folder: Path, port: int, options: tuple[str, ...]) -> None:
        self.folder, self.port, self._options = folder, port, options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Empty: nothing is kept of what was there before."""
        settings = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(["redis-server", *settings, *self._options], stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None and time.monotonic() < until, (self.folder / "redis.log").read_text()
            time.sleep(0.01)  # between two looks at a condition

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def ask(self, *words: str | int) -> Any:
        """One command, by the protocol itself (RESP), so that no client of ours stands between."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as there, there.makefile("rb") as answer:
            parts = [str(word).encode() for word in words]
            there.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            return _answer(answer)

    def keys(self) -> list[str]:
        return sorted(key.decode() for key in self.ask("KEYS", "*"))

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """The commands that others send meanwhile, as MONITOR shows them, and there is a way to know that all came."""
        seen: list[str] = []
        with socket.create_connection(("127.0.0.1", self.port), 30) as there, there.makefile("rb") as lines:
            there.sendall(b"MONITOR\r\n")
            assert lines.readline() == b"+OK\r\n"
            yield seen
            self.ask("ECHO", "the end")
            while b'"the end"' not in (line := lines.readline()):
                seen.append(line.decode().partition("] ")[2].strip())


def _answer(lines: Any) -> Any:
    kind, rest = (line := lines.readline())[:1], line[1:-2]
    if kind == b"*":
        return [_answer(lines) for _ in range(int(rest))]
    if kind == b"$":
        return None if rest == b"-1" else lines.read(int(rest) + 2)[:-2]
    assert kind != b"-", rest.decode()
    return int(rest) if kind == b":" else rest.decode()


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[Server]:
    """Where no redis-server is installed the test is skipped, and fails in CI."""
    if shutil.which("redis-server") is None:
        said = "There is no redis-server: apt-get install redis-server"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder, port, options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
