"""AWS on this machine, with Kakitome's stack in it: bootstrapped and deployed by the CDK's own command line.

The emulator is ministack. A function runs there as a process of this Python, with its packages. What it
does not do: a domain's DKIM records are no attributes there (identities are given, or addresses); ItemBatcher,
ResultWriter, the VersionId of an ItemReader and MaxConcurrencyPath are passed over (a child gets one row, and as many
of them run at once as the parameter `concurrency` says); nothing is redriven; the TTL and the point-in-time recovery of
a table are not applied. SES is not its part: that is the simulator.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from started import free_ports, group, wait_until

ROOT = Path(__file__).resolve().parents[2]
REGION, ACCOUNT = "us-east-1", "000000000000"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
PATIENCE = 180  # seconds until it is given up that AWS starts, and that the stack is there
_PROGRAMS = Path(sys.prefix) / "node" / "node_modules" / ".bin"


def missing() -> str:
    """What this machine lacks, and how to get it; "" where nothing is missing."""
    if shutil.which("node") is None:
        return "Node is missing, which the CDK needs: install it (Debian: apt-get install nodejs npm)."
    needed = ("aws_cdk", "ministack", "boto3", "trustme")
    lacking = [name for name in needed if importlib.util.find_spec(name) is None]
    lacking += [] if (_PROGRAMS / "cdk").exists() else ["the CDK's command line"]
    return f"{', '.join(lacking)} is missing: make .venv/infra" if lacking else ""


@dataclass(frozen=True)
class Aws:
    """`outputs`: what the stack says of itself. `authority`: whose certificate it shows, where it speaks TLS."""

    url: str
    authority: Path | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Of whoever asks it, in whatever language."""
        there = {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        direct = {"NO_PROXY": "127.0.0.1,localhost"}
        readers = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS") if self.authority else ()
        return KEYS | there | direct | {name: str(self.authority) for name in readers}

    def client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        more = {"verify": str(self.authority)} if self.authority else {}
        patient = Config(read_timeout=PATIENCE, proxies={}, retries={"max_attempts": 1})
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, config=patient, **keys, **more)

    def start(self, given: Mapping[str, str]) -> str:
        """Begin an execution of the state machine; answers its ARN."""
        machine = self.outputs["StateMachineArn"]
        started = self.client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(given))
        return str(started["executionArn"])

    def ended(self, execution: str, seconds: float) -> dict[str, Any]:
        """What DescribeExecution says of it at its end. Raises `SystemExit` where it does not end so soon."""
        states, found = self.client("stepfunctions"), list[dict[str, Any]]()

        def over() -> bool:
            found[:] = [states.describe_execution(executionArn=execution)]
            return bool(found[0]["status"] != "RUNNING")

        wait_until(over, seconds, f"{execution} does not end")
        return found[0]


@contextmanager
def emulator(folder: Path, *, enforced: bool = False) -> Iterator[Aws]:
    """An AWS that is empty, and ends with this process. What it says is in `aws.log`. `enforced`: roles and policies
    are obeyed, and it speaks TLS, which those of the stack demand.

    State machines do not wait where they would."""
    folder = folder.resolve()
    [port] = free_ports(1)
    aws = Aws(f"http://127.0.0.1:{port}")
    own = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
    own |= {"LAMBDA_EXECUTOR": "local", "SFN_WAIT_SCALE": "0"}
    if enforced:
        aws = Aws(f"https://127.0.0.1:{port}", folder / "authority.pem")
        own |= {"AUTH": "true", "USE_SSL": "true"} | _certified(folder)
    command = [str(Path(sys.executable).with_name("ministack"))]
    log = folder / "aws.log"
    with log.open("wb") as said, group(command, _environment(folder, aws) | own, folder, said) as process:
        wait_until(lambda: process.poll() is not None or _answers(aws), PATIENCE, "The emulator of AWS did not start")
        if process.poll() is not None:
            raise SystemExit(f"The emulator of AWS did not start:\n{log.read_text('utf-8')}")
        yield aws


def borrowed(folder: Path) -> Path:
    """Code for functions that find Kakitome where this process does. Of a copy each process of a function would
    compile every module anew, which is a third of what it costs to begin."""
    code = folder.resolve() / "code"
    code.mkdir()
    (code / "README").write_text("Kakitome is where this Python finds it.\n", encoding="utf-8")
    return code


def deploy(folder: Path, aws: Aws, **parameters: str) -> Aws:
    """`cdk bootstrap` and `cdk deploy`, with parameters of the stack (docs/operate/aws.md; `given__queue` is
    `given.queue`). Raises `SystemExit`."""
    words, cdk, folder = _environment(folder, aws), str(_PROGRAMS / "cdk"), folder.resolve()
    told = folder / "outputs.json"
    given = [f"--context={key.replace('__', '.')}={value}" for key, value in parameters.items()]
    _run([cdk, "bootstrap", f"aws://{ACCOUNT}/{REGION}", "--no-notices"], words, folder)
    # The app by this very Python: a checkout that borrows another's .venv has one, too.
    how = [f"--app={sys.executable} app.py", f"--output={folder / 'assembly'}", f"--outputs-file={told}"]
    how += ["--require-approval=never", "--no-notices", "--progress=events"]
    _run([cdk, "deploy", *how, *given], words, ROOT / "infra")
    if aws.authority:
        _any_stream(aws)
    return replace(aws, outputs=json.loads(told.read_text("utf-8"))["Kakitome"])


def _any_stream(aws: Aws) -> None:
    """The emulator knows tables by their names, and asks of a request that says a stream's ARN whether it is allowed
    for everything: who may read one stream may do the same with all of them."""
    iam = aws.client("iam")
    for role in iam.list_roles()["Roles"]:
        one = {"RoleName": role["RoleName"]}
        for name in iam.list_role_policies(**one)["PolicyNames"]:
            statements = iam.get_role_policy(**one, PolicyName=name)["PolicyDocument"]["Statement"]
            wide = [s | {"Resource": "*"} for s in statements if "/stream/" in str(s["Resource"])]
            if wide:
                document = json.dumps({"Version": "2012-10-17", "Statement": wide})
                iam.put_role_policy(**one, PolicyName="AnyStream", PolicyDocument=document)


def _run(command: list[str], words: dict[str, str], where: Path) -> None:
    with group(command, words, where, subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    if process.returncode != 0:
        raise SystemExit(f"cdk {command[1]} ended with {process.returncode}:\n{said.decode()}")


def _environment(folder: Path, aws: Aws) -> dict[str, str]:
    """Nothing of this machine's own AWS settings: neither its keys nor what the CDK remembers of its accounts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_", "KAKITOME_"))}
    quiet = {"CI": "true", "CDK_DISABLE_CLI_TELEMETRY": "true", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1"}
    return kept | aws.environment | quiet | {"CDK_HOME": str(folder.resolve() / "cdk")}


def _certified(folder: Path) -> dict[str, str]:
    import trustme

    authority = trustme.CA()
    shown, key = authority.issue_cert("127.0.0.1"), folder / "aws.pem"
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    shown.private_key_and_cert_chain_pem.write_to_path(str(key))
    return {"MINISTACK_SSL_CERT": str(key), "MINISTACK_SSL_KEY": str(key)}


def _answers(aws: Aws) -> bool:
    trust = [urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=aws.authority))]
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), *(trust if aws.authority else []))
    try:
        with direct.open(f"{aws.url}/_ministack/health", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
