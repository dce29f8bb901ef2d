"""An account's rate and quota, from the provider's own word to the provider's own record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from slowly import SlowClock, running

from kakitome.accept import Handed, accept
from kakitome.app import Instance, opened
from kakitome.config import load
from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import State
from kakitome.core.message import Admitted
from kakitome.core.submission import MessageRequest
from kakitome.worker import Worker
from kakitome_simulator.remote import Remote

RATE, QUOTA, MAILS = 14, 40, 60
LISTS = 38  # of the quota: a twentieth is left to single mails

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[lanes.ses]
provider = "ses"
region = "us-east-1"
endpoint = "{url}"
"""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with running("--rate", str(RATE), "--quota", str(QUOTA)) as remote:
        yield remote


@asynccontextmanager
async def instance(folder: Path, provider: Remote) -> AsyncIterator[Instance]:
    file = folder / "kakitome.toml"
    file.write_text(CONFIGURATION.format(folder=folder, url=provider.url))
    async with opened(load(file, {}), SlowClock(time.time())) as it:
        yield it


async def hand_in(it: Instance, mails: int) -> list[MessageId]:
    requests = [
        MessageRequest(sender="a@example.com", to=[f"r{k}@example.com"], subject="Hi", text="x", stream="bulk")
        for k in range(mails)
    ]
    answers = await accept([Handed(request) for request in requests], it.desk())
    return [id for answer in answers if isinstance(answer, Admitted) for id in answer.messages]


async def states(it: Instance, ids: list[MessageId]) -> list[State]:
    return [view.state for view in await it.ledger.reads.messages(ids)]


async def work(it: Instance, enough: Callable[[Worker], bool]) -> None:
    """A worker from its start, which asks the provider, to its end in good order."""
    worker = it.worker()
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(120):
        # In a thread, and not all the time: who keeps the loop busy makes the worker miss its slots.
        while not await asyncio.to_thread(enough, worker):  # noqa: ASYNC110 - a worker rings nobody
            await asyncio.sleep(0.2)
    worker.stop()
    await task


def test_rate_and_quota_are_the_providers(tmp_path: Path, provider: Remote) -> None:
    """Nothing is configured: no second has more than 14, the list parks at 38 of 40, the rest goes with the next
    quota. The provider has to refuse nothing."""

    async def run() -> None:
        async with instance(tmp_path, provider) as it:
            ids = await hand_in(it, MAILS)
            await work(it, lambda worker: worker.waiting == "quota" and provider.state()["recipients"] == LISTS)
            assert sorted(await states(it, ids)) == [State.QUEUED] * (MAILS - LISTS) + [State.SENT] * LISTS
            provider.limit(quota=100)
            await work(it, lambda _: provider.state()["recipients"] >= MAILS)
            assert await states(it, ids) == [State.SENT] * MAILS

    asyncio.run(run())
    state = provider.state()
    assert 0 < state["max_accepted_per_second"] <= RATE
    assert (state["max_offered_per_second"], state["refused"]) == (state["max_accepted_per_second"], {})
    recipients = [line.recipient for line in provider.accepted()]
    assert sorted(recipients) == sorted(f"r{k}@example.com" for k in range(MAILS))


def test_an_account_that_is_switched_off_is_not_tried(tmp_path: Path, provider: Remote) -> None:
    """The provider's word is enough; no mail has to run into it. Switched on again, the next look lets it go."""

    async def run() -> None:
        async with instance(tmp_path, provider) as it:
            ids = await hand_in(it, 1)
            provider.limit(suspended=True)
            await work(it, lambda worker: worker.waiting == "paused")
            assert (await states(it, ids), provider.state()["max_offered_per_second"]) == ([State.QUEUED], 0)
            provider.limit(suspended=False)
            await work(it, lambda _: provider.state()["recipients"] == 1)
            assert await it.ledger.accounts.stopped(it.clock.now()) == []

    asyncio.run(run())
