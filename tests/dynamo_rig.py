"""DynamoDB on this machine: one emulator for all tests of a process, and a table for each that asks.

Usually ministack. With `KAKITOME_DYNAMODB_LOCAL=FOLDER` it is Amazon's own engine, DynamoDB Local: FOLDER has its jar
and those that it needs, sqlite's among them. `make dynamodb-local` brings them and runs what is short.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from emulator import KEYS, PATIENCE, emulator
from kakitome.hosts.clock import SystemClock
from kakitome.ledgers.dynamodb import schema
from kakitome.ledgers.dynamodb.line import ANSWER_S, Line
from kakitome.ledgers.dynamodb.meter import Meter
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ports.clock import Clock

LOCAL = "KAKITOME_DYNAMODB_LOCAL"
LOCAL_IS_ON = LOCAL in os.environ
REGION = "ap-northeast-1"
SECRETS = (KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"])
SIGNED = f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_names = count(1)


@cache
def emulated() -> str:
    """The URL of the emulator. It is started by the first who asks and ends with this process."""
    stack = ExitStack()
    folder = Path(tempfile.mkdtemp(prefix="dynamo-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(stack.close)
    local = os.environ.get(LOCAL)
    return stack.enter_context(_amazons(Path(local), folder) if local else _ministack(folder))


def fresh(
    meter: Meter | None = None,
    *,
    endpoint: str | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
    answer_s: float = ANSWER_S,
) -> Table:
    """An empty table of its own, which is gone once it is closed. `endpoint`: of a proxy in front of the emulator."""
    name = f"t{os.getpid()}-{next(_names)}"
    asked("CreateTable", **schema.definition(name))
    line = Line(
        REGION, endpoint or emulated(), clock or SystemClock(), random or Random(1), answer_s=answer_s, keys=SECRETS
    )
    return _Fresh(name, line, meter)


class _Fresh(Table):
    async def close(self) -> None:
        await super().close()
        asked("DeleteTable", TableName=self.name)


def asked(operation: str, service: str = "DynamoDB_20120810", **parameters: Any) -> dict[str, Any]:
    """One request without any SDK: its client would take longer to make than the table."""
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"{service}.{operation}",
        "Authorization": SIGNED,
    }
    request = urllib.request.Request(emulated(), json.dumps(parameters).encode(), headers)
    with _DIRECT.open(request, timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


@contextmanager
def _ministack(folder: Path) -> Iterator[str]:
    with emulator(folder) as it:
        yield it.url


@contextmanager
def _amazons(jars: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = "com.amazonaws.services.dynamodbv2.local.main.ServerRunner"
    soon = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # for a minute's work the best code comes too late
    command = ["java", *soon, f"-Djava.library.path={jars}", "-cp", f"{jars}/*", engine, "-inMemory", "-sharedDb"]
    with (folder / "local.log").open("wb") as log:
        it = subprocess.Popen(
            [*command, "-port", str(port)], stdout=log, stderr=log, start_new_session=True, cwd=folder
        )
    try:
        _until_up(f"http://127.0.0.1:{port}", lambda: it.poll() is None, folder / "local.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(it.pid, signal.SIGKILL)
        it.wait()


def _until_up(url: str, alive: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            _DIRECT.open(url, timeout=30).close()
            return
        except urllib.error.HTTPError as refusal:  # an answer, to a question that is none
            refusal.close()
            return
        except OSError:
            assert alive() and time.monotonic() < until, log.read_text()
            time.sleep(0.05)  # between two looks at a condition
