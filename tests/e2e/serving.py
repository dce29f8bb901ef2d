"""A Kakitome as a process, and the way of its events, watched by the test."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kakitome_simulator.remote import Remote

TOPICS = ["kakitome-bounces", "kakitome-deliveries", "kakitome-actions"]

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[lanes.ses]
provider = "ses-smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
username = "user"
password = "file:{folder}/password"
configuration_set = "MarketingMailsConfigurationSet"
[http]
address = "127.0.0.1:0"
keys = []
[events]
trust = "simulator"
topics = {topics}
simulator_certificate = "{folder}/certificate.pem"
"""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def configured(folder: Path, provider: Remote) -> Path:
    assert provider.smtp is not None
    (folder / "password").write_text("secret")
    (folder / "certificate.pem").write_bytes(provider.certificate())
    file = folder / "kakitome.toml"
    topics = json.dumps([f"arn:aws:sns:us-east-1:000000000000:{topic}" for topic in TOPICS])
    port = provider.smtp.rpartition(":")[2]
    file.write_text(CONFIGURATION.format(folder=folder, port=port, topics=topics))
    return file


@contextmanager
def process(file: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`serve`, and its URL. Killed at the end if it still lives."""
    command = [sys.executable, "-m", "kakitome.http", "--config", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as it:
        try:
            assert it.stdout is not None
            yield it, f"http://{json.loads(it.stdout.readline())['http']}"
        finally:
            it.kill()


class Relay(ThreadingHTTPServer):
    """Stands between SNS and Kakitome: passes each post on to `target`, answers what it answers (503 where nobody
    does, so that SNS comes again), and tells the test of every event once Kakitome has acknowledged it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.target = ""
        self.acknowledged: queue.Queue[dict[str, Any]] = queue.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/events/ses"


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-")}
        try:
            with _DIRECT.open(urllib.request.Request(self.server.target, body, headers), timeout=30) as answer:
                status = answer.status
        except urllib.error.HTTPError as refusal:
            refusal.close()
            status = refusal.code
        except OSError:
            status = 503
        if status == 200:
            self.server.acknowledged.put(json.loads(json.loads(body)["Message"]))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def relay() -> Iterator[Relay]:
    with Relay() as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield it
        finally:
            it.shutdown()
            thread.join()
