"""Events out of a real SQS queue (an emulator's), into a real ledger: all, once, whatever is between them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from emulator import KEYS, Emulator, emulator
from kakitome.app import Instance, opened
from kakitome.config import Config, EventsTable, LedgerTable
from kakitome.core.message import Entry
from kakitome.doors import drains_of
from kakitome.ports.event_queue import QueueUnavailable, Received
from kakitome.sources.sqs import SqsQueue, region_of_queue

SAMPLE = json.loads((Path(__file__).parents[1] / "samples" / "ses-bounce-notification.json").read_text())
OURS, THEIRS = (f"arn:aws:sns:us-east-1:000000000000:{name}" for name in ("ours", "theirs"))
PATIENCE = 60

KILLED = """
import asyncio, os, signal, sys
from itertools import count
from pathlib import Path
from kakitome.app import opened
from kakitome.doors import drains_of
sys.path[:0] = {paths!r}
from test_sqs import configured
folds = count(1)

def step(name):
    if name == "after_fold" and next(folds) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

async def run():
    async with opened(configured(Path({folder!r}), {queue!r}, {endpoint!r}), step=step) as instance:
        [drain] = drains_of(instance.config, instance.ledger, instance.clock, instance.step)
        await drain.run()

asyncio.run(run())
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("aws")) as it:
        yield it


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def configured(folder: Path, queue: str, endpoint: str) -> Config:
    ledger = LedgerTable(url=f"sqlite:///{folder}/ledger.db")
    return Config(ledger=ledger, events=EventsTable(queues=[queue], endpoint=endpoint, topics=[OURS]))


def event(n: int) -> str:
    return json.dumps(SAMPLE | {"bounce": SAMPLE["bounce"] | {"feedbackId": f"feedback-{n}"}})


def wrapped(message: str, topic: str = OURS) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": topic, "Message": message})


async def emptied(instance: Instance, aws: Emulator, queue: str) -> list[Entry]:
    """Let the drain run until the queue is empty, end it as a worker does, and answer the journal."""
    [run] = [run for run in instance.beside() if run.__qualname__ == "Drain.run"]
    task = asyncio.create_task(run())
    async with asyncio.timeout(PATIENCE):
        while await asyncio.to_thread(aws.left, queue):
            await instance.clock.sleep(0.02)  # between two looks
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return await instance.ledger.journal.read(0, 100_000)


def of(entries: list[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry.kind == kind]


def test_five_hundred_events_with_poison_and_copies_between(aws: Emulator, tmp_path: Path) -> None:
    """Wrapped and raw, some twice, some unreadable, some of a stranger's topic: each event once in the ledger, each
    poison once in quarantine, and nothing left in the queue."""
    queue = aws.queue("five-hundred")
    bodies = [wrapped(event(n)) if n % 2 else event(n) for n in range(500)]
    copies = [event(n) for n in range(0, 500, 7)]
    poison = ["poison", "{", wrapped("{}"), wrapped(event(1), THEIRS)]
    everything = bodies + copies + poison
    Random(3).shuffle(everything)
    aws.send(queue, *everything)

    async def run() -> list[Entry]:
        async with opened(configured(tmp_path, queue, aws.url)) as instance:
            return await emptied(instance, aws, queue)

    entries = asyncio.run(run())
    keys = [entry.data["event"] for entry in of(entries, "event_unmatched")]
    assert (len(keys), len(set(keys))) == (500, 500)
    quarantined = of(entries, "event_quarantined")
    assert sorted(str(entry.data["message"]) for entry in quarantined) == sorted(poison)


def test_a_kill_between_write_and_delete_doubles_nothing(aws: Emulator, tmp_path: Path) -> None:
    """SIGKILL when the third batch is durable and not yet deleted: it comes again, and is known."""
    queue = aws.queue("killed", VisibilityTimeout="0")
    aws.send(queue, *(wrapped(event(n)) for n in range(60)))
    paths = [str(folder) for folder in Path(__file__).parents[:2]]
    places = {"folder": str(tmp_path), "queue": queue, "endpoint": aws.url, "paths": paths}
    killed = subprocess.run([sys.executable, "-c", KILLED.format(**places)], timeout=PATIENCE, check=False)
    assert killed.returncode == -signal.SIGKILL

    async def run() -> tuple[int, list[Entry]]:
        async with opened(configured(tmp_path, queue, aws.url)) as instance:
            before = len(of(await instance.ledger.journal.read(0, 100_000), "event_unmatched"))
            return before, await emptied(instance, aws, queue)

    left = aws.left(queue)
    before, entries = asyncio.run(run())
    assert before + left > 60, "some were in both places when it died"
    keys = [entry.data["event"] for entry in of(entries, "event_unmatched")]
    assert (len(keys), len(set(keys))) == (60, 60)


def test_through_sns(aws: Emulator, tmp_path: Path) -> None:
    """Published to a topic that the queue is subscribed to, in its envelope and raw."""
    queue = aws.queue("subscribed")
    for name, raw in (("ours", "false"), ("raw", "true")):
        aws.sns("CreateTopic", Name=name)
        topic = OURS.replace("ours", name)
        more = {"Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": raw}
        arn = "arn:aws:sqs:us-east-1:000000000000:subscribed"
        aws.sns("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn, **more)
        aws.sns("Publish", TopicArn=topic, Message=event(len(name)))

    async def run() -> list[Entry]:
        async with opened(configured(tmp_path, queue, aws.url)) as instance:
            return await emptied(instance, aws, queue)

    entries = asyncio.run(run())
    assert (len(of(entries, "event_unmatched")), of(entries, "event_quarantined")) == (2, [])


@pytest.mark.parametrize("name", ["gone", "nobody"])
def test_a_queue_that_is_not_there_says_what_to_do(aws: Emulator, name: str) -> None:
    """No such queue, and nobody at the address: an error that a drain waits on, and one try only."""
    endpoint = aws.url if name == "gone" else "http://127.0.0.1:9"

    async def run() -> None:
        queue = SqsQueue(f"{endpoint}/000000000000/{name}", "us-east-1", endpoint, wait_s=0)
        for _ in range(2):
            with pytest.raises(QueueUnavailable) as caught:
                await queue.receive()
            assert name == "nobody" or "events.queues" in caught.value.remedy
        with pytest.raises(QueueUnavailable):
            await queue.delete([Received("1", "r", "")])
        await queue.close()

    asyncio.run(run())


def test_keys_that_are_nowhere(monkeypatch: pytest.MonkeyPatch, aws: Emulator, tmp_path: Path) -> None:
    """The SDK's chain ends without any: the queue waits for them like for anything else."""
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))

    async def run() -> None:
        queue = SqsQueue(f"{aws.url}/000000000000/x", "us-east-1", aws.url, wait_s=0)
        with pytest.raises(QueueUnavailable, match="credentials"):
            await queue.receive()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/events", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/events", "cn-north-1"),
        ("http://sqs.eu-west-1.amazonaws.com/123456789012/events", None),
        ("https://sqs.eu-west-1.amazonaws.com.evil.example/123456789012/events", None),
        ("http://127.0.0.1:4566/000000000000/events", None),
    ],
)
def test_the_region_is_the_queues(url: str, region: str | None) -> None:
    """Its address says where it is."""
    assert region_of_queue(url) == region


def test_no_queue_no_drain(tmp_path: Path) -> None:
    """Who names no queue needs no AWS."""

    async def run() -> None:
        config = Config(ledger=LedgerTable(url=f"sqlite:///{tmp_path}/ledger.db"))
        async with opened(config) as instance:
            assert drains_of(config, instance.ledger, instance.clock, instance.step) == []

    asyncio.run(run())
