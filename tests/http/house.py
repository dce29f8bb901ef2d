"""An instance that serves, in a thread of the test, and the ways to ask it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from kakitome.app import Instance, opened
from kakitome.config import load
from kakitome.core.message import Entry
from kakitome.http.server import serve
from kakitome.ports.records import Suppression
from kakitome_simulator.ses_event import ACTIONS, BOUNCES, DELIVERIES

PATIENCE = 20  # seconds until a test gives up

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[accounts.ses]
[lanes.ses]
provider = "ses-smtp"
account = "ses"
host = "127.0.0.1"
port = {port}
tls = "none"
username = "user"
password = "file:{folder}/password"
configuration_set = "MarketingMailsConfigurationSet"
[http]
keys = {keys}
[events]
trust = "simulator"
topics = {topics}
simulator_certificate = "{certificate}"
[streams.late]
[streams.invoices]
from = "invoices@example.com"
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Steps:
    """Hears the named steps of the instance. A step that is `broken` raises instead."""

    def __init__(self) -> None:
        self._heard: Counter[str] = Counter()
        self._news = threading.Condition()
        self.broken: dict[str, Exception] = {}

    def __call__(self, step: str) -> None:
        with self._news:
            self._heard[step] += 1
            self._news.notify_all()
        if step in self.broken:
            raise self.broken[step]

    def heard(self, step: str) -> int:
        return self._heard[step]

    @contextmanager
    def awaited(self, **times: int) -> Iterator[None]:
        """Leaves its block once each step was heard so often since its beginning."""
        with self._news:
            until = {step: self._heard[step] + count for step, count in times.items()}
        yield
        with self._news:
            enough = self._news.wait_for(lambda: all(self._heard[s] >= n for s, n in until.items()), PATIENCE)
            assert enough, f"heard {dict(self._heard)}, waited for {until}"


class House:
    def __init__(self, address: str, instance: Instance, steps: Steps, loop: asyncio.AbstractEventLoop) -> None:
        self.address = address
        self.url = f"http://{address}"
        self.instance = instance
        self.steps = steps
        self._loop = loop

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request; `body` is JSON unless it is bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(HTTPConnection(self.address, timeout=PATIENCE)) as connection:
            connection.request(method, path, data, given)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def post(self, body: object, **headers: str) -> Answer:
        return self.ask("POST", "/v1/messages", body, **headers)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", f"/v1/messages{path}", **headers)

    def suppressions(self) -> list[Suppression]:
        found: list[Suppression] = self._run(self.instance.ledger.suppressions.list("", 1000))
        return found

    def journal(self, kind: str) -> list[Entry]:
        return [entry for entry in self._run(self.instance.ledger.journal.read(0, 100_000)) if entry.kind == kind]

    def _run(self, asked: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(PATIENCE)


def configuration(folder: Path, certificate: Path, *, port: int = 9, keys: str = "[]", topics: object = None) -> Path:
    file = folder / "kakitome.toml"
    (folder / "password").write_text("secret")
    listed = json.dumps([BOUNCES, DELIVERIES, ACTIONS] if topics is None else topics)
    file.write_text(
        CONFIGURATION.format(folder=folder, port=port, keys=keys, topics=listed, certificate=certificate), "utf-8"
    )
    return file


@contextmanager
def house(file: Path) -> Iterator[House]:
    """An instance by its configuration, on a port of the system's choice; it ends in good order."""
    steps, up = Steps(), threading.Event()
    made: list[House] = []
    stops: list[Callable[[], object]] = []
    trouble: list[BaseException] = []

    async def live() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with opened(load(file, {}), step=steps) as instance:

            def announce(address: str) -> None:
                made.append(House(address, instance, steps, loop))
                up.set()

            await serve(instance, "127.0.0.1", 0, stop=stop, announce=announce)

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            trouble.append(error)
        finally:
            up.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert up.wait(PATIENCE)
    try:
        if trouble:
            raise trouble[0]
        yield made[0]
    finally:
        for stop in stops:
            with suppress(RuntimeError):  # the loop closed by itself a moment ago
                stop()
        thread.join(PATIENCE)
    if trouble:
        raise trouble[0]


def mail(to: str | list[str], **fields: object) -> dict[str, object]:
    return {
        "from": "Hotel <hotel@example.com>",
        "to": [to] if isinstance(to, str) else to,
        "subject": "ご予約",
        "text": "Your room is booked.",
        **fields,
    }
