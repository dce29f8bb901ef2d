"""The project's stack on the emulator, put there by the CDK's own command line, as a person would.

`with deployed(folder, code, name="value") as there:` `code` is what the functions run: `src` of this project, or
handlers of the test's own. There a function runs in the environment of the emulator, so that sources are enough.

What the emulator cannot do, and how it is bridged: a domain's DKIM records are no attributes there (identities of a
deployment here are addresses); ItemBatcher, ResultWriter and the VersionId of an ItemReader are passed over (a child
gets one row), and so is MaxConcurrencyPath (ten children at once here, instead of 64); the TTL and the point-in-time
recovery of a table are not applied (test_infra_promises.py reads them).
"""

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node import APP, environment, program

PATIENCE = 120  # seconds
REGION, ACCOUNT = "us-east-1", "000000000000"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Deployment:
    url: str
    outputs: Mapping[str, str]

    def client(self, service: str) -> Any:
        import boto3

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **keys)

    def run(self, given: Mapping[str, str]) -> dict[str, Any]:
        """One execution of the state machine, to its end: what DescribeExecution says of it."""
        states = self.client("stepfunctions")
        started = states.start_execution(stateMachineArn=self.outputs["StateMachineArn"], input=json.dumps(given))
        ended: list[dict[str, Any]] = []

        def over() -> bool:
            ended[:] = [states.describe_execution(executionArn=started["executionArn"])]
            return bool(ended[0]["status"] != "RUNNING")

        until(over, f"the execution with {given} does not end")
        return ended[0]


def until(condition: Callable[[], bool], otherwise: str) -> None:
    patience = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < patience, otherwise
        time.sleep(0.05)  # between two looks at a condition


@contextmanager
def deployed(folder: Path, code: Path, *, enforced: bool = False, **context: str) -> Iterator[Deployment]:
    """`context`: parameters of the stack. `enforced`: roles and policies are obeyed. Skips where there is no Node."""
    cdk = program("cdk")
    with _emulator(folder, {"AUTH": "true"} if enforced else {}) as url:
        words = environment(folder / "cdk") | _aws(url)
        _run([cdk, "bootstrap", f"aws://{ACCOUNT}/{REGION}", "--no-notices"], words, folder)
        if enforced:
            _without_tls(Deployment(url, {}))
        given = [
            f"--context={key.replace('__', '.')}={value}"
            for key, value in ({"code": str(code), "concurrency": "10"} | context).items()
        ]
        told = folder / "outputs.json"
        deploy = [cdk, "deploy", "--require-approval=never", "--no-notices", f"--outputs-file={told}"]
        # The app by this very Python: a checkout that borrows another's .venv has one, too.
        how = [f"--app={sys.executable} app.py", f"--output={folder / 'assembly'}", "--progress=events", *given]
        _run([*deploy, *how], words, APP)
        there = Deployment(url, json.loads(told.read_text("utf-8"))["Kakitome"])
        if enforced:
            _without_tls(there)
        yield there


def _run(command: list[str], words: dict[str, str], where: Path) -> None:
    run = subprocess.run(command, env=words, cwd=where, capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stdout + run.stderr


def _aws(url: str) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    return keys | {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


def _without_tls(there: Deployment) -> None:
    """The emulator speaks no TLS: buckets that deny everything else, the CDK's own included, take nothing. (Queues
    deny it to their owner, too, so that their policy cannot be lifted: with `enforced`, queues are closed.)"""
    s3 = there.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        s3.delete_bucket_policy(Bucket=bucket["Name"])


@contextmanager
def _emulator(folder: Path, more: dict[str, str]) -> Iterator[str]:
    """With functions in processes of this Python, and without waiting where a state machine waits."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    own = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
    lambdas = {"LAMBDA_EXECUTOR": "local", "SFN_WAIT_SCALE": "0"}
    words = environment(folder / "cdk") | _aws(url) | own | lambdas | more
    with (folder / "emulator.log").open("wb") as log:
        command = [str(Path(sys.executable).parent / "ministack")]
        process = subprocess.Popen(command, env=words, stdout=log, stderr=log, start_new_session=True, cwd=folder)
    try:

        def up() -> bool:
            assert process.poll() is None, (folder / "emulator.log").read_text()
            try:
                with _DIRECT.open(f"{url}/_ministack/health", timeout=5):
                    return True
            except urllib.error.HTTPError:
                return True
            except OSError:
                return False

        until(up, "the emulator does not start")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
