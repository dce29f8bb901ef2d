"""An outage of a provider, from the refused connection to the message on Slack, by a clock that the test moves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from standin import StandIn, standing_in

from kakitome.accept import Handed, accept
from kakitome.app import Instance, opened
from kakitome.config import load
from kakitome.core.submission import MessageRequest
from kakitome_simulator.pytest_plugin import running

START, SECOND, MINUTE = 1_800_000_000_000, 1_000, 60_000
PATIENCE = 60  # seconds until the test gives up

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[lanes.office]
provider = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
[streams.booking]
route = ["office"]
owner = "hotel"
[owners.hotel]
unit = "Hotel"
person = "Sato"
slack = "env:HOTEL_SLACK_URL"
"""


class Clock:
    """Stands still until the test moves it; that wakes whoever's time has come."""

    def __init__(self) -> None:
        self.wall = START
        self.asleep = 0
        self._moved = asyncio.Event()

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.wall / 1000

    async def sleep(self, seconds: float) -> None:
        until = self.wall + seconds * 1000
        while self.wall < until:
            self.asleep += 1
            try:
                await self._moved.wait()
            finally:
                self.asleep -= 1

    async def to(self, at: int, loops: int) -> None:
        """Move it, and wait until all loops have done what they do at that time and sleep again."""
        self.wall = at
        self._moved.set()
        self._moved = asyncio.Event()
        await asyncio.sleep(0)
        await eventually(lambda: self.asleep == loops)


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another task and rings nobody
            await asyncio.sleep(0.01)


async def hand_in(it: Instance, mails: int) -> None:
    requests = [
        MessageRequest(sender="a@example.com", to=[f"r{k}@example.com"], subject="Hi", text="x", stream="booking")
        for k in range(mails)
    ]
    await accept([Handed(request) for request in requests], it.desk())


def test_an_outage_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bookings and nobody listens: silence at 9:59, one message to the owner at 10:00, and one at the end, when
    the server is back and they have gone."""

    async def run() -> None:
        async with standing_in() as slack:
            monkeypatch.setenv("HOTEL_SLACK_URL", slack.url)
            with socket.socket() as nobody:  # bound and not listening: the port is ours, and refuses
                nobody.bind(("127.0.0.1", 0))
                await play(slack, nobody, tmp_path)

    asyncio.run(run())


async def play(slack: StandIn, nobody: socket.socket, folder: Path) -> None:
    file, port = folder / "kakitome.toml", nobody.getsockname()[1]
    file.write_text(CONFIGURATION.format(folder=folder, port=port))
    clock = Clock()
    async with opened(load(file, {}), clock) as it:
        await hand_in(it, 3)
        worker = it.worker()
        working = asyncio.create_task(worker.run())
        await eventually(lambda: worker.waiting == "refused_connection")
        loops = 1 + len(it.beside())  # the sweeper, and what runs beside
        await eventually(lambda: clock.asleep == loops)
        for at in (*range(MINUTE, 10 * MINUTE, MINUTE), 9 * MINUTE + 59 * SECOND):
            await clock.to(START + at, loops)
        assert slack.bodies == []
        await clock.to(START + 10 * MINUTE, loops)
        assert slack.titles == ["Mail is late: 3 wait in stream booking"]
        assert "Hotel (ask Sato)" in slack.bodies[0].decode() and "example.com" not in slack.bodies[0].decode()
        for minute in range(11, 20):
            await clock.to(START + minute * MINUTE, loops)
        assert len(slack.bodies) == 1
        nobody.close()
        with running("--no-authentication", "--smtp", f"127.0.0.1:{port}") as provider:
            while len(slack.bodies) < 2:
                assert clock.wall < START + 90 * MINUTE
                await clock.to(clock.wall + 15 * SECOND, loops)
                await asyncio.sleep(0.1)  # rounds of a worker go by their own time
            assert slack.titles[1] == "Over: mail of stream booking is late no more"
            assert len(provider.accepted()) == 3
        worker.stop()
        await working
