"""Scenario 2, thin: the stack on the emulator, the published input, a list of a hundred, the simulator as SES, and the
way of its events. What was sent is the provider's to say; what became of it, the ledger's."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kakitome.app import opened
from kakitome.config import load
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "infra"))

from deployed import REGION, Deployment, deployed, until  # noqa: E402

SAMPLE = json.loads((ROOT / "tests" / "samples" / "state-machine-input.json").read_text("utf-8"))
PEOPLE = [f"reader-{n:03}@example.com" for n in range(100)]
LIST = "email,name\n" + "".join(f"{person},読者{n}\n" for n, person in enumerate(PEOPLE))
MAIL = {"mail_id": SAMPLE["mail_id"], "subject": "{{ name }}さんへ", "body": "<p>{{ name }}さん、こんにちは。</p>"}
TOPICS = {"Bounce": "BounceComplaint", "Complaint": "BounceComplaint", "Reject": "BounceComplaint"}
TOPICS |= {"Delivery": "EmailDelivery", "Open": "EmailAction", "Click": "EmailAction"}


class _Topics(ThreadingHTTPServer):
    """Stands where SES publishes: what the simulator posts goes to the stack's topic of its kind."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Publishing)
        self.there: Deployment | None = None
        self.publishing = threading.Lock()

    def publish(self, message: str) -> None:
        assert self.there is not None
        word = TOPICS.get(json.loads(message).get("eventType"), "EmailEvidence")
        [topic] = [arn for arn in self.there.outputs["TopicArns"].split(",") if arn.endswith(f"-{word}")]
        with self.publishing:
            self.there.client("sns").publish(TopicArn=topic, Message=message)


class _Publishing(BaseHTTPRequestHandler):
    server: _Topics

    def do_POST(self) -> None:
        envelope = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.publish(envelope["Message"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _topics() -> Iterator[_Topics]:
    with _Topics() as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield it
        finally:
            it.shutdown()
            thread.join()


def rows(there: Deployment, folder: Path, run: str) -> Mapping[str, int]:
    """The campaign's account, as another process reads it from the table."""
    return asyncio.run(_rows(there, folder, run))


async def _rows(there: Deployment, folder: Path, name: str) -> dict[str, int]:
    url = f"dynamodb://{there.outputs['LedgerTable']}?region={REGION}&endpoint={there.url}"
    words = {"KAKITOME_LEDGER__URL": url, "KAKITOME_LEDGER__FOLDER": str(folder), "KAKITOME_LEDGER__FEED": "reader"}
    async with opened(load(None, words)) as instance:
        run = await instance.ledger.runs.find(name)
        if run is None:
            return {}
        counted = {**await instance.ledger.reads.rows(run.id), **await instance.ledger.reads.delivery(run.id)}
        return {word: n for word, n in counted.items() if n}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def settings(provider: Remote) -> str:
    return json.dumps({"KAKITOME_LANES__SES__ENDPOINT": provider.url})


def test_a_list_from_the_published_input_to_its_last_event(tmp_path: Path, keys: None) -> None:
    """Each of a hundred gets one mail, and the table knows of each delivery; the same input again sends nothing, an
    unknown mail and a missing file fail and send nothing."""
    accepted = tmp_path / "accepted.jsonl"
    with _topics() as topics:
        events = f"http://127.0.0.1:{topics.server_port}/"
        with running("--accepted", str(accepted), "--events-url", events, "--no-authentication") as provider:
            stack = deployed(
                tmp_path,
                ROOT / "src",
                settings=settings(provider),
                given__identities="example.com",
                sender="News <news@example.com>",
            )
            with stack as there:
                topics.there = there
                _put(there)
                _sends_each_row(there, provider, tmp_path)
                _fails_visibly(there, provider)


def _put(there: Deployment) -> None:
    there.client("s3").put_object(Bucket=there.outputs["BucketName"], Key=SAMPLE["file_name"], Body=LIST.encode())
    item = {name: {"S": value} for name, value in MAIL.items()}
    there.client("dynamodb").put_item(TableName=there.outputs["MailsTable"], Item=item)


def _sends_each_row(there: Deployment, provider: Remote, folder: Path) -> None:
    ended = there.run(SAMPLE)
    assert ended["status"] == "SUCCEEDED", (ended, (folder / "emulator.log").read_text()[-6000:])
    got = Counter(line.recipient for line in provider.accepted())
    assert got == Counter(PEOPLE)

    def delivered() -> bool:
        return rows(there, folder, MAIL["mail_id"]) == {"read": 100, "sent": 100, "delivered": 100}

    until(delivered, f"not all are delivered: {rows(there, folder, MAIL['mail_id'])}")
    swept = there.client("lambda").invoke(FunctionName="kakitome-sweep")
    assert "FunctionError" not in swept, swept["Payload"].read()
    again = there.run(SAMPLE)
    assert again["status"] == "SUCCEEDED" and json.loads(again["output"])["missing"] == 0
    assert len(provider.accepted()) == 100


def _fails_visibly(there: Deployment, provider: Remote) -> None:
    unknown = there.run(SAMPLE | {"mail_id": "nobody-wrote-this"})
    assert (unknown["status"], unknown["error"]) == ("FAILED", "UnknownMail")
    missing = there.run(SAMPLE | {"file_name": "not-there.csv"})
    assert missing["status"] == "FAILED" and "There is no list at s3://" in missing["cause"]
    assert len(provider.accepted()) == 100
