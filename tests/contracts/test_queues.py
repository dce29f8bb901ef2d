"""The queues, against the contract that is exported: in this process, in a real Redis, in an emulator's SQS."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from emulator import KEYS, REGION, Emulator, emulator
from kakitome.bells import queue_of
from kakitome.config import Config, QueueTable
from kakitome.ports.queue import Queue
from kakitome.queues.embedded import EmbeddedQueue
from kakitome.testing.queue import QueueContract
from redis_server import Server, redis_server


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("aws")) as it:
        yield it


class TestEmbedded(QueueContract):
    async def make(self) -> Queue:
        return EmbeddedQueue()


class _Far(QueueContract):
    soon = 0.5
    apart = False
    url = ""

    async def make(self) -> Queue:
        return queue_of(Config(queue=QueueTable(url=self.url)))


class TestRedis(_Far):
    @pytest.fixture(autouse=True)
    def place(self, redis: Server, request: pytest.FixtureRequest) -> None:
        self.url = f"{redis.url}?prefix={request.node.name[:64]}"


class TestSqs(_Far):
    @pytest.fixture(autouse=True)
    def place(self, aws: Emulator, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        name = request.node.name[-60:]
        for bell in ("transactional", "bulk"):
            aws.queue(f"{name}-{bell}")
        self.url = f"sqs://{name}?region={REGION}&endpoint={quote(aws.url)}"
