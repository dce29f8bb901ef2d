"""Two zones of scenario 0: in each a Redis and some workers; between them DynamoDB, SQS and SES, which outlive both."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from kakitome.app import opened
from kakitome.config import load
from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause, State
from kakitome.ledgers.dynamodb import keys, schema
from kakitome.ports.ledger import Ledger
from kakitome.ports.reads import Search
from stage import KAKITOME, TOPICS, Stage, free_ports, wait_until

R = TypeVar("R")

FOLDER = Path("demo/scenario-0")
TABLE, QUEUE, REGION = "kakitome", "ses-events", "us-east-1"
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
WORKERS = 3  # in each zone
PATIENCE = 400  # seconds until the play gives up
VISIBILITY_S = "2"  # of events that a dead worker had taken off the queue; half a minute and more in life

CONFIGURATION = """\
# Written by examples/scenarios/scenario_0.py: zone {zone}.
# The two zones differ in folder and Redis, and in nothing else.
[ledger]
url = "dynamodb://{table}?region={region}&endpoint=http://127.0.0.1:{aws}"
folder = "{folder}/{zone}"
campaign_tables = "own"          # a table for each campaign, thrown away as a whole

[queue]
url = "redis://127.0.0.1:{redis}/0"
look = "1s"                      # five seconds in life

[lanes.ses]
provider = "ses"
region = "{region}"
endpoint = "http://127.0.0.1:{ses}"
configuration_set = "MarketingMailsConfigurationSet"
timeout = "2s"                   # a minute in life: how long SES may take for its answer
margin = "1s"                    # a minute in life: together the lease of what a worker has claimed

[streams.newsletter]
kind = "bulk"
route = ["ses"]
from = "Letters <letters@example.com>"

[sender]
name = "Kakitome-sha Ltd."
address = "1-2-3 Fumi-cho, Chiyoda-ku, Tokyo 100-0000"
contact = "letters@example.com"

[events]
queues = ["http://127.0.0.1:{aws}/000000000000/{queue}"]
topics = {topics}
endpoint = "http://127.0.0.1:{aws}"

[evidence]
horizon = "4s"                   # a quarter of an hour in life: how long silence must last before it counts
neighbourhood = "4s"

[retention]
events = "30s"                   # a fortnight in life: how long bounces may come after the last mail
"""

TEXT = """Dear {{ name }},

the winter issue is here.

{{ sender_name }}, {{ sender_address }}
Questions: {{ sender_contact }}
Unsubscribe: {{ unsubscribe_url }}
"""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_SIGNED = f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/%s/aws4_request, SignedHeaders=host, Signature=0"


class Aws:
    """DynamoDB and SQS of this machine, asked without an SDK."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        try:
            self.ask("dynamodb", "DynamoDB_20120810.ListTables")
        except OSError:
            return False
        return True

    def prepare(self) -> None:
        """What the deployment makes: the ledger's table, and the queue of SES's events."""
        self.ask("dynamodb", "DynamoDB_20120810.CreateTable", **schema.definition(TABLE))
        self.ask("sqs", "AmazonSQS.CreateQueue", QueueName=QUEUE, Attributes={"VisibilityTimeout": VISIBILITY_S})

    def tables(self) -> list[str]:
        return sorted(self.ask("dynamodb", "DynamoDB_20120810.ListTables")["TableNames"])

    def messages(self, table: str, state: str) -> list[MessageId]:
        """Those of a table that are in a state, by the very items. (Kakitome itself never scans.)"""
        asked: dict[str, Any] = {
            "TableName": table,
            "ConsistentRead": True,
            "FilterExpression": "begins_with(pk, :c) AND s = :s",
            "ExpressionAttributeValues": {":c": {"S": "c"}, ":s": {"S": state}},
        }
        found: list[MessageId] = []
        while True:
            answer = self.ask("dynamodb", "DynamoDB_20120810.Scan", **asked)
            found += (MessageId(keys.number_of(item["sk"]["S"])) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return found
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def ask(self, service: str, target: str, **parameters: Any) -> Any:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": target,
            "Authorization": _SIGNED % service,
        }
        request = urllib.request.Request(self._url, json.dumps(parameters).encode(), headers)  # noqa: S310 (loopback)
        with _DIRECT.open(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")


@contextmanager
def aws(stage: Stage, port: int) -> Iterator[Aws]:
    """ministack, with the table and the queue in it."""
    stage.environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    with stage.child("ministack", [str(Path(sys.executable).with_name("ministack"))]):
        it = Aws(port)
        wait_until(it.answers, PATIENCE, "The emulator of AWS did not start")
        it.prepare()
        yield it


class Zone:
    """A Redis and some workers, which share their fate."""

    def __init__(self, name: str, aws_port: int, ses_port: int) -> None:
        self.name, [self._redis] = name, free_ports(1)
        self.stage = Stage(FOLDER / name, KEYS)
        self.stage.configure(
            CONFIGURATION.format(
                zone=name,
                folder=FOLDER,
                table=TABLE,
                region=REGION,
                queue=QUEUE,
                topics=json.dumps(TOPICS),
                aws=aws_port,
                ses=ses_port,
                redis=self._redis,
            )
        )
        self._there: list[subprocess.Popen[bytes]] = []

    def start_redis(self, stack: ExitStack) -> None:
        """Empty: nothing is kept of anything."""
        words = ["redis-server", "--port", str(self._redis), "--bind", "127.0.0.1", "--save", ""]
        self._there.append(stack.enter_context(self.stage.child("redis", words)))
        wait_until(self._redis_answers, PATIENCE, "The Redis server did not start")

    def start_workers(self, stack: ExitStack) -> None:
        names = [f"worker-{n}" for n in range(1, WORKERS + 1)]
        words = [KAKITOME, "--config", str(self.stage.configuration), "worker"]
        self._there += [stack.enter_context(self.stage.child(name, words)) for name in names]
        wait_until(lambda: all(self._runs(name) for name in names), PATIENCE, "The workers did not start")

    def dies(self) -> int:
        """SIGKILL to everything at once. Answers how many processes that were."""
        for process in self._there:
            process.send_signal(signal.SIGKILL)
        for process in self._there:
            process.wait()
        return len(self._there)

    def held(self, campaign: str) -> list[MessageId]:
        """What is in the hands of some worker, dead or alive. By the ledger."""

        async def look(ledger: Ledger) -> list[MessageId]:
            run = await ledger.runs.find(campaign)
            assert run is not None
            search = Search(run=run.id, states=(State.SENDING,), n=100_000)
            return [view.id for view in await ledger.reads.search(search)]

        return self._asked(look)

    def became(self, ids: Sequence[MessageId]) -> dict[Cause, set[str]]:
        """Of those that were in doubt: whose mail SES's events proved to have gone, and whose was sent again since SES
        said nothing of it. By the ledger."""

        async def look(ledger: Ledger) -> dict[Cause, set[str]]:
            views = await ledger.reads.messages(ids)
            told = [{entry.kind for entry in await ledger.journal.of(view.id)} for view in views]
            return {
                cause: {view.address or "" for view, kinds in zip(views, told, strict=True) if cause in kinds}
                for cause in (Cause.PROOF, Cause.SILENCE)
            }

        return self._asked(look)

    def _asked(self, look: Callable[[Ledger], Awaitable[R]]) -> R:
        async def asked() -> R:
            async with opened(load(self.stage.configuration, self.stage.environment)) as instance:
                return await look(instance.ledger)

        before = dict(os.environ)
        os.environ.update(KEYS)
        try:
            return asyncio.run(asked())
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _runs(self, worker: str) -> bool:
        return "worker runs" in (self.stage.folder / f"{worker}.log").read_text("utf-8")

    def _redis_answers(self) -> bool:
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self._redis)) == 0


def lacking() -> str:
    """What this play needs and this machine has not, as a sentence."""
    if shutil.which("redis-server") is None:
        return "This play needs a redis-server: apt-get install redis-server, or brew install redis."
    if not os.access(Path(sys.executable).with_name("ministack"), os.X_OK):
        return "This play needs ministack, which is in the packages for developers: make .venv/dev"
    return ""
