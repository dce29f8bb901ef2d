"""One account, its rate, and everybody who sends through it, by slow clocks: a busy machine is no fault of ours."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from slowly import SlowClock, command, running

from kakitome.accept import Handed, accept
from kakitome.app import Instance, opened
from kakitome.config import load
from kakitome.core.submission import MessageRequest
from kakitome_simulator.remote import Remote

RATE, MAILS = 14, 56

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[accounts.tokyo]
rate = "provider"
[lanes.api]
provider = "ses"
account = "tokyo"
region = "us-east-1"
endpoint = "{url}"
[lanes.smtp]
provider = "ses-smtp"
account = "tokyo"
region = "us-east-1"
endpoint = "{url}"
host = "127.0.0.1"
port = {port}
tls = "none"
[streams.booking]
route = ["{first}"]
[streams.news]
kind = "bulk"
route = ["{second}"]
"""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with running("--rate", str(RATE), "--no-authentication") as remote:
        yield remote


def configured(folder: Path, provider: Remote, first: str = "api", second: str = "api") -> Path:
    port = (provider.smtp or "").rpartition(":")[2]
    file = folder / "kakitome.toml"
    file.write_text(CONFIGURATION.format(folder=folder, url=provider.url, port=port, first=first, second=second))
    return file


@contextmanager
def workers(file: Path, n: int, began: float) -> Iterator[None]:
    words = command(began, "--config", str(file), "worker")
    with ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(words, stderr=subprocess.DEVNULL)) for _ in range(n)]
        try:
            yield
        finally:
            for process in processes:
                process.terminate()


async def hand_in(it: Instance, stream: str, mails: int) -> None:
    sender = "post@example.com"
    requests = [
        MessageRequest(sender=sender, to=[f"{stream}-{k}@example.com"], subject="Hi", text="x", stream=stream)
        for k in range(mails)
    ]
    for answer in await accept([Handed(request) for request in requests], it.desk()):
        assert not isinstance(answer, Exception), answer


def wait_for(provider: Remote, mails: int) -> None:
    ends = time.monotonic() + 120
    while provider.state()["recipients"] < mails:
        assert time.monotonic() < ends, provider.state()
        time.sleep(0.2)


@pytest.mark.parametrize("lanes", [("api", "api"), ("api", "smtp")], ids="+".join)
def test_two_workers_and_two_streams_keep_the_rate(lanes: tuple[str, str], tmp_path: Path, provider: Remote) -> None:
    """Two processes, single mails and a list, through one lane or two of the account: no second of the provider's
    clock sees more than 14 requests (or final dots), so it has to refuse none; and hardly fewer."""
    file, began = configured(tmp_path, provider, *lanes), time.time()

    async def fill() -> None:
        async with opened(load(file, {}), SlowClock(began)) as it:
            await hand_in(it, "booking", MAILS // 2)
            await hand_in(it, "news", MAILS // 2)

    asyncio.run(fill())
    with workers(file, 2, began):
        wait_for(provider, MAILS)
    state = provider.state()
    assert RATE // 2 < state["max_offered_per_second"] <= RATE, state
    assert state["refused"] == {}
    recipients = [mail.recipient for mail in provider.accepted()]
    assert len(set(recipients)) == len(recipients) == MAILS


def test_a_changed_rate_is_followed_without_a_restart(tmp_path: Path, provider: Remote) -> None:
    """The provider allows more, then less: the next look is enough, and there is one every minute. (The clock here
    makes a minute's sleep short, and nothing else.)"""

    class Impatient(SlowClock):
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            await super().sleep(seconds if seconds < 60.0 else 0.2)

    slept: list[float] = []
    clock = Impatient(time.time())

    async def run() -> None:
        async with opened(load(configured(tmp_path, provider), {}), clock) as it:
            worker = it.worker()
            task = asyncio.create_task(worker.run())
            for rate, mails in ((RATE, 21), (60, 90), (5, 8)):
                await asyncio.to_thread(provider.limit, rate=rate)
                looks = slept.count(60.0)
                while slept.count(60.0) < looks + 2:  # noqa: ASYNC110 - a look that began before does not count
                    await asyncio.sleep(0.05)
                await clock.sleep(1.1)  # a second that begins after what the rate before allowed
                await asyncio.to_thread(provider.reset)
                await asyncio.to_thread(provider.limit, rate=rate)
                await hand_in(it, "booking", mails)
                await asyncio.to_thread(wait_for, provider, mails)
                state = await asyncio.to_thread(provider.state)
                assert rate // 2 <= state["max_offered_per_second"] <= rate, (rate, state)
            worker.stop()
            await task

    asyncio.run(run())
