"""Half an hour in which the first of two providers fails, played in a minute: simulators, `serve` with its worker, and
a stand-in for Slack, all by one clock that can be made to hurry."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web

from kakitome.accept import Handed, accept
from kakitome.app import Instance, opened
from kakitome.config import Config, load
from kakitome.core.lane import is_canary
from kakitome.core.message import AttemptView, Entry, MessageView
from kakitome.core.submission import MessageRequest
from kakitome.http.server import serve
from kakitome.ports.reads import Search
from kakitome_simulator.accepted import Accepted
from kakitome_simulator.options import Endpoint, Options
from kakitome_simulator.simulator import Simulator

MINUTE = 60_000
LETTER = "Hi", "x"

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"

[accounts.first]
rate = "unlimited"
quota = "unlimited"

[lanes.first]
provider = "ses"
account = "first"
region = "us-east-1"
endpoint = "http://{first}"
timeout = "10m"
margin = "1h"
connections = 8
canary = "post@example.com"

[lanes.second]
provider = "smtp"
host = "127.0.0.1"
port = {second}
tls = "none"
connections = 8
timeout = "10m"
margin = "1h"

[streams.bulk]
kind = "bulk"
route = ["first", "second"]
in_doubt = "{in_doubt}"
from = "post@example.com"
owner = "hotel"

[owners.hotel]
unit = "Hotel"
person = "Sato"

[events]
trust = "simulator"
topics = [{topics}]
simulator_certificate = "{folder}/sns.pem"
oldest = "7d"

[alerts]
slack = "env:OUTAGE_SLACK"
"""
TOPICS = ", ".join(
    f'"arn:aws:sns:us-east-1:000000000000:kakitome-{kind}"' for kind in ("bounces", "deliveries", "actions")
)


class HurriedClock:
    """Kakitome's clock and the simulators'. `speed` may change at any time; it never goes back."""

    def __init__(self) -> None:
        self._real, self._ours, self._speed = time.monotonic(), 1_000.0, 1.0
        self._began = time.time() * 1000

    def hurry(self, speed: float) -> None:
        self._ours, self._real = self.monotonic(), time.monotonic()
        self._speed = speed

    def monotonic(self) -> float:
        return self._ours + (time.monotonic() - self._real) * self._speed

    def now(self) -> int:
        return int(self._began + (self.monotonic() - 1_000.0) * 1000)

    def ticks(self) -> int:
        return int(self.monotonic() * 1e9)

    async def sleep(self, seconds: float) -> None:
        ends = self.monotonic() + seconds
        while (left := ends - self.monotonic()) > 0:  # noqa: ASYNC110 - the speed may change meanwhile
            await asyncio.sleep(min(left / self._speed, 0.02))


class Channel:
    """What people would see in Slack."""

    def __init__(self, clock: HurriedClock) -> None:
        self._clock = clock
        self.messages: list[tuple[int, str]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/hook", self._hear)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        finally:
            await runner.cleanup()

    async def _hear(self, request: web.Request) -> web.Response:
        self.messages.append((self._clock.now(), (await request.json())["text"]))
        return web.Response(text="ok")


class Gate:
    """A port in front of a provider that can be shut: nobody listens then, and what is open is cut."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self, to: int) -> None:
        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
            self._writers |= {writer, far_writer}
            await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))

        self._server = await asyncio.start_server(pass_on, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class World:
    """Two providers, one instance, and what is asked about them."""

    def __init__(
        self, clock: HurriedClock, instance: Instance, first: Simulator, second: Simulator, gate: Gate
    ) -> None:
        self.clock = clock
        self.instance = instance
        self.first = first
        self.second = second
        self.gate = gate
        self.channel = Channel(clock)
        self.handed_in = 0

    async def hand_in(self, mails: int) -> None:
        requests = [
            MessageRequest(to=[f"r{self.handed_in + k}@example.com"], subject="Hi", text="x", stream="bulk")
            for k in range(mails)
        ]
        self.handed_in += mails
        for answer in await accept([Handed(request) for request in requests], self.instance.desk()):
            if isinstance(answer, Exception):
                raise answer

    async def underway(self) -> None:
        """Until nothing waits or is being sent: what is in doubt may stay so."""
        ledger = self.instance.ledger
        run = await ledger.runs.find("stream:bulk")
        assert run is not None
        async with asyncio.timeout(120):
            while (rows := await ledger.reads.rows(run.id))["queued"] + rows["sending"]:  # noqa: ASYNC110 - polls
                await asyncio.sleep(0.05)

    @property
    def accepted(self) -> list[Accepted]:
        """By both providers; canaries are nobody's mail."""
        both = self.first.accepted + self.second.accepted
        return [mail for mail in both if not mail.recipient.endswith("@simulator.amazonses.com")]

    @property
    def copies(self) -> Counter[str]:
        return Counter(mail.recipient for mail in self.accepted)

    async def messages(self) -> list[MessageView]:
        found: list[MessageView] = []
        while page := await self.instance.ledger.reads.search(Search(after=found[-1].id if found else 0, n=1_000)):
            found += page
        return [view for view in found if not is_canary(view.stream)]

    async def attempts(self) -> list[AttemptView]:
        return await self.instance.ledger.reads.attempts([view.id for view in await self.messages()])

    async def journal(self, *kinds: str) -> list[Entry]:
        found: list[Entry] = []
        while page := await self.instance.ledger.journal.read(found[-1].seq if found else 0, 10_000):
            found += page
        return [entry for entry in found if entry.kind in kinds]


def _config(folder: Path, gate: Gate, second: Simulator, in_doubt: str) -> Config:
    file = folder / "kakitome.toml"
    file.write_text(
        CONFIGURATION.format(
            folder=folder, first=f"127.0.0.1:{gate.port}", second=second.smtp_port, in_doubt=in_doubt, topics=TOPICS
        )
    )
    return load(file, {})


@asynccontextmanager
async def world(folder: Path, in_doubt: str, set_environment: Callable[[str, str], None]) -> AsyncIterator[World]:
    """Everything runs; events of the first provider come in by HTTP."""
    clock = HurriedClock()
    async with AsyncExitStack() as stack:
        options = Options(http=Endpoint(), require_authentication=False, seed=1)
        first = await stack.enter_async_context(Simulator(options, clock))
        second = await stack.enter_async_context(Simulator(options, clock))
        (folder / "sns.pem").write_bytes(first.signer.certificate)
        gate = Gate()
        await gate.open(first.http_port)
        stack.push_async_callback(gate.shut)
        channel = Channel(clock)
        set_environment("OUTAGE_SLACK", await stack.enter_async_context(channel.open()))
        instance = await stack.enter_async_context(opened(_config(folder, gate, second, in_doubt), clock))
        it = World(clock, instance, first, second, gate)
        it.channel = channel
        stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(instance, "127.0.0.1", 0, stop=stop, announce=address.set_result))
        await asyncio.wait((serving, address), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        await _control(first, "events-url", {"urls": [f"http://{address.result()}/events/ses"]})
        try:
            yield it
        finally:
            stop.set()
            await serving


async def _control(simulator: Simulator, what: str, body: object) -> None:
    import aiohttp

    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{simulator.http}/_simulator/{what}", data=msgspec.json.encode(body)) as answer,
    ):
        answer.raise_for_status()


async def arm(simulator: Simulator, *faults: str) -> None:
    """These, in place of those that are armed."""
    await _control(simulator, "faults", {"faults": list(faults), "add": False})
