"""Where it serves, where it refuses to, how it ends; and what it says about itself."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from house import House, configuration
from litestar.routes import HTTPRoute

from kakitome.app import opened
from kakitome.config import load
from kakitome.core.errors import ConfigurationError
from kakitome.http.address import address, listening
from kakitome.http.server import build, serve
from kakitome.worker import Worker

OUTBOX = '[ledger]\nurl = "sqlite:///{folder}/ledger.db"\n[http]\nkeys = ["file:{folder}/key"]\n'


def served(file: Path, host: str, port: int = 0, *, stopping: bool = True) -> None:
    """Served until it is up, or until it ends by itself."""

    async def run() -> None:
        stop = asyncio.Event()
        async with opened(load(file, {})) as instance:
            await serve(instance, host, port, stop=stop, announce=lambda _: stop.set() if stopping else None)

    asyncio.run(run())


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("secret")
    file = tmp_path / "outbox.toml"
    file.write_text(OUTBOX.format(folder=tmp_path))
    return file


def test_an_outbox_is_not_shown_to_others(outbox: Path) -> None:
    """Nothing leaves this machine, so nobody else shall hand mail in; on loopback it serves."""
    with pytest.raises(ConfigurationError, match="nothing leaves this machine"):
        served(outbox, "0.0.0.0")
    served(outbox, "127.0.0.1")
    served(outbox, "localhost")


@pytest.mark.parametrize(
    "keys", ['["env:KAKITOME_NO_SUCH_KEY"]', "[]", '["file:{folder}/key", "env:KAKITOME_NO_SUCH_KEY"]']
)
def test_strangers_need_a_key(tmp_path: Path, certificate: Path, keys: str) -> None:
    """Every key that is named must be there before another machine can ask."""
    (tmp_path / "key").write_text("secret")
    file = configuration(tmp_path, certificate, keys=keys.format(folder=tmp_path))
    file.write_text(file.read_text().replace('trust = "simulator"', 'trust = "aws"'))
    with pytest.raises(ConfigurationError, match="API key") as caught:
        served(file, "0.0.0.0")
    assert caught.value.data["key"] == "http.keys"


def test_with_a_key_and_a_lane_it_serves_others(tmp_path: Path, certificate: Path) -> None:
    """The same address that was refused above."""
    (tmp_path / "key").write_text("secret")
    file = configuration(tmp_path, certificate, keys=f'["file:{tmp_path}/key"]')
    file.write_text(file.read_text().replace('trust = "simulator"', 'trust = "aws"'))
    served(file, "0.0.0.0")


def test_a_port_that_is_taken_is_said(outbox: Path) -> None:
    """And nothing was begun: no worker is left behind."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as taken,
        pytest.raises(ConfigurationError, match="cannot be served"),
    ):
        served(outbox, "127.0.0.1", taken.getsockname()[1])
    assert list((outbox.parent / "workers").iterdir()) == []


def test_an_answer_waits_for_no_acknowledgement() -> None:
    """Nagle's algorithm is off on every connection: with it, each answer took 40 ms longer."""
    with (
        closing(listening("127.0.0.1", 0)) as listener,
        closing(socket.create_connection(listener.getsockname())),
        closing(listener.accept()[0]) as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_it_does_not_serve_without_its_worker(outbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that breaks ends the process: mail that is taken and never sent would look well from outside."""

    async def break_down(_: Worker) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Worker, "run", break_down)
    with pytest.raises(RuntimeError, match="broken"):
        served(outbox, "127.0.0.1", stopping=False)


@pytest.mark.parametrize("text", ["8700", "127.0.0.1", ":8700", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:８０"])
def test_an_address_is_host_and_port(text: str) -> None:
    """Everything else is refused, not guessed."""
    with pytest.raises(ConfigurationError):
        address(text)
    assert address("[::1]:8700") == ("[::1]", 8700)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(outbox: Path, number: signal.Signals) -> None:
    """Exit code 0, no last words, no worker left; also with a connection open."""
    outbox.write_text(outbox.read_text().replace("[http]", '[http]\naddress = "127.0.0.1:0"'))
    command = [sys.executable, "-W", "error", "-m", "kakitome.http", "--config", str(outbox)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with closing(HTTPConnection(json.loads(process.stdout.readline())["http"], timeout=10)) as connection:
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            process.send_signal(number)
            assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0
    assert list((outbox.parent / "workers").iterdir()) == []


def test_a_wrong_configuration_is_exit_code_2(tmp_path: Path) -> None:
    """One sentence on stderr."""
    command = [sys.executable, "-m", "kakitome.http", "--config", str(tmp_path / "none.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "cannot be read" in done.stderr and not done.stdout


def test_the_description_names_every_route(serving: House) -> None:
    """OpenAPI, made of the types that read and answer; every reference in it leads somewhere."""
    told = serving.ask("GET", "/openapi.json").json
    routes = {(method, path) for path, item in told["paths"].items() for method in item}
    served = {
        (method.lower(), route.path_format.replace("{asked}", "{id}"))
        for route in build(serving.instance).routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }
    assert routes == served - {("get", "/openapi.json")}
    text = json.dumps(told)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in told["components"]["schemas"]
    assert set(told["components"]["schemas"]["MessageRequest"]["properties"]) >= {"from", "to", "attachments"}
