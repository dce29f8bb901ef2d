"""AWS on this machine, with Kakitome's stack in it: bootstrapped and deployed by the CDK's own command line.

The emulator is ministack. A function runs there as a process of this Python, so that the sources are its code. What it
does not do: a domain's DKIM records are no attributes there (the identity is given), ItemBatcher and the result writer
are passed over (a child gets one row). SES is not its part: that is the simulator.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stage import free_ports, wait_until

ROOT = Path(__file__).resolve().parents[2]
REGION, ACCOUNT = "us-east-1", "000000000000"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
PATIENCE = 180  # seconds until it is given up that AWS starts, and that the stack is there
_PROGRAMS = Path(sys.prefix) / "node" / "node_modules" / ".bin"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def missing() -> str:
    """What this machine lacks, and how to get it; "" where nothing is missing."""
    if shutil.which("node") is None:
        return "Node is missing, which the CDK needs: install it (Debian: apt-get install nodejs npm)."
    lacking = [name for name in ("aws_cdk", "ministack", "boto3") if importlib.util.find_spec(name) is None]
    lacking += [] if (_PROGRAMS / "cdk").exists() else ["the CDK's command line"]
    return f"{', '.join(lacking)} is missing: make .venv/infra" if lacking else ""


@dataclass(frozen=True)
class Aws:
    """`outputs`: what the stack says of itself."""

    url: str
    outputs: Mapping[str, str]

    def client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        patient = Config(read_timeout=PATIENCE, proxies={}, retries={"max_attempts": 1})
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, config=patient, **keys)

    def start(self, given: Mapping[str, str]) -> str:
        """Begin an execution of the state machine; answers its ARN."""
        machine = self.outputs["StateMachineArn"]
        started = self.client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(given))
        return str(started["executionArn"])

    def ended(self, execution: str) -> dict[str, Any] | None:
        told: dict[str, Any] = self.client("stepfunctions").describe_execution(executionArn=execution)
        return None if told["status"] == "RUNNING" else told

    def log(self, function: str) -> list[str]:
        found = self.client("logs").filter_log_events(logGroupName=f"/kakitome/kakitome/{function}")
        return [event["message"] for event in found["events"]]


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """The URL of an AWS that is empty and ends with the play. What it says is in `aws.log`."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    own = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder.resolve())}
    words = _environment(folder, url) | own | {"LAMBDA_EXECUTOR": "local", "SFN_WAIT_SCALE": "0"}
    command = [str(Path(sys.executable).with_name("ministack"))]
    with (folder / "aws.log").open("wb") as log:
        process = subprocess.Popen(command, env=words, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or _answers(url), PATIENCE, "The emulator of AWS did not start")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the functions' processes are of its group
        process.wait()


def deploy(folder: Path, url: str, **parameters: str) -> Aws:
    """`cdk bootstrap` and `cdk deploy`, with parameters of the stack (docs/operate/aws.md). Raises `SystemExit`."""
    words, cdk = _environment(folder, url), str(_PROGRAMS / "cdk")
    told = folder.resolve() / "outputs.json"
    given = [f"--context={key.replace('__', '.')}={value}" for key, value in parameters.items()]
    _run([cdk, "bootstrap", f"aws://{ACCOUNT}/{REGION}", "--no-notices"], words, folder)
    how = [f"--app={sys.executable} app.py", f"--output={folder.resolve() / 'assembly'}", f"--outputs-file={told}"]
    _run([cdk, "deploy", "--require-approval=never", "--no-notices", *how, *given], words, ROOT / "infra")
    return Aws(url, json.loads(told.read_text("utf-8"))["Kakitome"])


def _run(command: list[str], words: dict[str, str], where: Path) -> None:
    done = subprocess.run(command, env=words, cwd=where, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode != 0:
        raise SystemExit(f"cdk {command[1]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _environment(folder: Path, url: str) -> dict[str, str]:
    """Nothing of this machine's own AWS settings: neither its keys nor what the CDK remembers of its accounts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_", "KAKITOME_"))}
    there = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    quiet = {"CI": "true", "CDK_DISABLE_CLI_TELEMETRY": "true", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1"}
    own = {"CDK_HOME": str(folder.resolve() / "cdk"), "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "127.0.0.1,localhost"}
    return kept | KEYS | there | quiet | own


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(f"{url}/_ministack/health", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
