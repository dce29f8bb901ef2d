"""The doorbell in SQS: what is left there, what is said when it is not there, and what is asked of AWS."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from emulator import KEYS, REGION, Emulator, emulator
from kakitome.bells import queue_of
from kakitome.config import Config, QueueTable
from kakitome.ports.queue import Queue
from kakitome.queues.far import LOOK_S
from kakitome.queues.sqs import SqsLine, SqsPlace
from kakitome.sources import aws_client

LONG = 30.0


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("aws")) as it:
        yield it


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def bells(name: str, endpoint: str) -> Queue:
    url = f"sqs://{name}?region={REGION}&endpoint={quote(endpoint)}"
    return queue_of(Config(queue=QueueTable(url=url, look="50ms")))


async def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)  # between two looks at a condition


def test_what_was_heard_is_gone(aws: Emulator) -> None:
    """Deleted before any mail is looked at, and many at once: no ticket comes again, and no dead letter is made."""
    urls = [aws.queue(f"heard-{bell}") for bell in ("transactional", "bulk")]

    async def run() -> None:
        queue = bells("heard", aws.url)
        aws.send(urls[1], *["ring"] * 10)
        assert await queue.wait("bulk", LONG)
        await queue.close()

    asyncio.run(run())
    assert [aws.left(url) for url in urls] == [0, 0]


def test_tickets_say_nothing(aws: Emulator) -> None:
    """One message for a hundred rings, and no word about a mail in it."""
    url = aws.queue("told-bulk")

    async def run() -> None:
        queue = bells("told", aws.url)
        for _ in range(100):
            await queue.ring("bulk")
        await until(lambda: aws.left(url))
        await queue.close()

    asyncio.run(run())
    messages = aws.sqs("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in messages} == {"ring"} and len(messages) <= 2


def test_a_queue_that_is_not_there_is_said_once(aws: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """With its name and what to do; when somebody has made it, it works without a restart."""

    async def run() -> None:
        queue = bells("missing", aws.url)
        waiting = asyncio.create_task(queue.wait("bulk", LONG))
        await queue.ring("bulk")
        await until(lambda: caplog.records)
        aws.queue("missing-bulk")
        assert await waiting
        await until(lambda: len(caplog.records) == 2)
        await queue.close()

    asyncio.run(run())
    assert "missing-bulk" in caplog.text and "Create it" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


def test_an_aws_that_is_down_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Waiting ends as if nobody had rung, and the worker looks for itself."""

    async def run() -> None:
        queue = bells("down", "http://127.0.0.1:9")
        waiting = asyncio.create_task(queue.wait("bulk", 0.5))
        await queue.ring("bulk")
        await until(lambda: caplog.records)
        assert not await waiting
        await queue.close()

    asyncio.run(run())
    [said] = caplog.records
    assert "Mail goes on" in said.getMessage()


class Recorded:
    """AWS, as far as it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, object]]] = []

    def __getattr__(self, operation: str) -> Callable[..., object]:
        async def ask(**parameters: object) -> dict[str, object]:
            self.asked.append((operation, parameters))
            messages = [{"ReceiptHandle": str(n)} for n in range(3)]
            return {"QueueUrl": "https://q", "Messages": messages}

        return ask


def test_a_look_is_long_and_takes_all_there_is() -> None:
    """Twenty seconds, ten messages, one deletion for all of them; hidden for longer than the longest usual lease, an
    SMTP server's ten minutes and a minute of margin."""
    there = Recorded()
    line = SqsLine(SqsPlace("name", REGION, "123456789012"), aws_client)

    async def connected() -> Recorded:
        return there

    line._connected = connected  # type: ignore[method-assign]
    assert asyncio.run(line.hear("bulk"))
    found, received, deleted = there.asked
    assert found == ("get_queue_url", {"QueueName": "name-bulk", "QueueOwnerAWSAccountId": "123456789012"})
    limits = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": LOOK_S, "VisibilityTimeout": 900}
    assert received == ("receive_message", {"QueueUrl": "https://q", **limits})
    assert deleted[0] == "delete_message_batch"
    assert deleted[1]["Entries"] == [{"Id": str(n), "ReceiptHandle": str(n)} for n in range(3)]
    assert LOOK_S == 20
