"""AWS's SNS and SQS on this machine: an emulator in a process of its own, and what is asked of it over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

PATIENCE = 60  # seconds
REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_SIGNED = f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/%s/aws4_request, SignedHeaders=host, Signature=0"


class Emulator:
    def __init__(self, url: str) -> None:
        self.url = url

    def sqs(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """By SQS's JSON protocol, so that no SDK of ours stands between."""
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{operation}",
            "Authorization": _SIGNED % "sqs",
        }
        body = self._ask(json.dumps(parameters).encode(), headers)
        found: dict[str, Any] = json.loads(body) if body else {}
        return found

    def sns(self, operation: str, **parameters: str) -> str:
        """By SNS's query protocol; answers the XML."""
        asked = urlencode({"Action": operation, "Version": "2010-03-31", **parameters}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": _SIGNED % "sns"}
        return self._ask(asked, headers).decode()

    def queue(self, name: str, **attributes: str) -> str:
        url: str = self.sqs("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def send(self, queue: str, *bodies: str) -> None:
        for at in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[at : at + 10])]
            assert not self.sqs("SendMessageBatch", QueueUrl=queue, Entries=entries).get("Failed")

    def left(self, queue: str) -> int:
        """Messages that are there, visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.sqs("GetQueueAttributes", QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def _ask(self, body: bytes, headers: dict[str, str]) -> bytes:
        with _DIRECT.open(urllib.request.Request(self.url, body, headers), timeout=30) as answer:
            found: bytes = answer.read()
            return found


@contextmanager
def emulator(folder: Path) -> Iterator[Emulator]:
    """One for some tests; its whole process group ends with them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | KEYS | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
    with (folder / "emulator.log").open("wb") as log:
        command = [str(Path(sys.executable).parent / "ministack")]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=folder)
    try:
        it = Emulator(f"http://127.0.0.1:{port}")
        until = time.monotonic() + PATIENCE
        while True:
            try:
                it.sqs("ListQueues")
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until, (folder / "emulator.log").read_text()
                time.sleep(0.05)  # between two looks at a condition
        yield it
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
