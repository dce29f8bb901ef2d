"""The end of a serving process while a mail is on the wire."""

from __future__ import annotations

import asyncio
import json
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kakitome import Client
from kakitome.app import opened
from kakitome.config import load
from kakitome.status import MessageStatus, status

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[lanes.slow]
provider = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
[http]
address = "127.0.0.1:0"
keys = []
"""


class NextHop(socketserver.ThreadingTCPServer):
    """A next hop that says nothing behind the final dot until it may."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Dialogue)
        self.dot = threading.Event()
        self.may_answer = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Dialogue(socketserver.StreamRequestHandler):
    server: NextHop

    def handle(self) -> None:
        self._say(b"220 slow.example")
        for line in self.rfile:
            if line.upper().startswith(b"DATA"):
                self._say(b"354 go on")
                while self.rfile.readline() != b".\r\n":
                    pass
                self.server.dot.set()
                self.server.may_answer.wait()
            self._say(b"250 ok")

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


@contextmanager
def next_hop() -> Iterator[NextHop]:
    with NextHop() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.may_answer.set()
            server.shutdown()
            thread.join()


@contextmanager
def served(file: Path) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    command = [sys.executable, "-m", "kakitome.http", "--config", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, Client(f"http://{json.loads(process.stdout.readline())['http']}")
        finally:
            process.kill()


def configured(folder: Path, hop: NextHop) -> Path:
    file = folder / "kakitome.toml"
    file.write_text(CONFIGURATION.format(folder=folder, port=hop.port))
    return file


def in_the_ledger(file: Path, id: str) -> MessageStatus:
    async def look() -> MessageStatus:
        async with opened(load(file, {})) as instance:
            return (await status(id, instance.ledger)).messages[0]

    return asyncio.run(look())


def test_what_is_on_the_wire_is_waited_for(tmp_path: Path) -> None:
    """SIGTERM between the final dot and its reply: the reply is heard and kept, the exit code is 0."""
    with next_hop() as hop, served(configured(tmp_path, hop)) as (process, client):
        sent = client.send(sender="a@example.com", to="b@example.com", subject="x", text="y")
        assert hop.dot.wait(20)
        process.send_signal(signal.SIGTERM)
        hop.may_answer.set()
        assert process.wait(20) == 0
    assert in_the_ledger(tmp_path / "kakitome.toml", sent.id).state == "sent"


def test_a_second_signal_waits_for_nothing(tmp_path: Path) -> None:
    """Somebody is in a hurry: the mail on the wire is in doubt, in the ledger, before the process is gone."""
    with next_hop() as hop, served(configured(tmp_path, hop)) as (process, client):
        sent = client.send(sender="a@example.com", to="b@example.com", subject="x", text="y")
        assert hop.dot.wait(20)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert in_the_ledger(tmp_path / "kakitome.toml", sent.id).state == "in_doubt"
