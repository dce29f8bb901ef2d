"""Mail for a carrier goes at its pace, and other mail does not wait for it: from the configuration to the provider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from kakitome.accept import Handed, accept
from kakitome.app import opened
from kakitome.config import load
from kakitome.core.submission import MessageRequest
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

PACE, CARRIERS, OTHERS = 2, 12, 100

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[lanes.one]
provider = "ses-smtp"
account = "one"
host = "127.0.0.1"
port = {port}
tls = "none"
[lanes.two]
provider = "ses-smtp"
account = "two"
host = "127.0.0.1"
port = {port}
tls = "none"
[accounts.one]
rate = 200
[accounts.two]
rate = 200
[streams.news]
kind = "bulk"
route = ["one"]
[streams.other]
kind = "bulk"
route = ["two"]
[pacing.carrier]
domains = ["docomo.ne.jp"]
rate = {pace}
"""


@pytest.fixture
def provider() -> Iterator[Remote]:
    with running("--no-authentication") as remote:
        yield remote


def mails(stream: str) -> list[MessageRequest]:
    """The carrier's stand first."""
    to = [f"{stream}-{k}@docomo.ne.jp" for k in range(CARRIERS // 2)] + [
        f"{stream}-{k}@example.com" for k in range(OTHERS // 2)
    ]
    return [MessageRequest(sender="a@example.com", to=[each], subject="Hi", text="x", stream=stream) for each in to]


def test_a_carriers_mail_is_paced_and_no_other_waits(tmp_path: Path, provider: Remote) -> None:
    """Two lists through two accounts, the carrier's readers at the head of each: together they keep its pace (a
    second's worth at once, and then its rate), and everybody else has their mail before the last of the carrier's."""
    file = tmp_path / "kakitome.toml"
    port = (provider.smtp or "").rpartition(":")[2]
    file.write_text(CONFIGURATION.format(folder=tmp_path, port=port, pace=PACE))

    began = time.time()

    async def run() -> None:
        async with opened(load(file, {})) as it:
            await accept([Handed(mail) for stream in ("news", "other") for mail in mails(stream)], it.desk())
            worker = it.worker()
            task = asyncio.create_task(worker.run())
            async with asyncio.timeout(120):
                while len(await asyncio.to_thread(provider.accepted)) < CARRIERS + OTHERS:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            worker.stop()
            await task
            assert await it.ledger.reads.verify() == []

    asyncio.run(run())
    lines = provider.accepted()
    assert len({line.recipient for line in lines}) == len(lines) == CARRIERS + OTHERS
    paced = [datetime.fromisoformat(x.at).timestamp() for x in lines if x.recipient.endswith("docomo.ne.jp")]
    for before, at in enumerate(sorted(paced)):  # who comes late has waited somewhere else, too: that is no fault
        assert before + 1 <= PACE + PACE * (at - began + 0.001), (before, at - began)
    order = [line.recipient.rpartition("@")[2] for line in lines]
    assert order[-1] == "docomo.ne.jp"
    assert order.index("example.com") < CARRIERS
