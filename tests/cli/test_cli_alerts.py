"""`alerts`: what is wrong, whether anybody would hear of it, and a watch where no worker is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from terminal import SENDER, Terminal

CONFIGURED = """
[alerts]
slack = "env:SLACK_URL"
late_after = "1ms"
[owners.hotel]
unit = "Hotel"
slack = "env:HOTEL_SLACK_URL"
[streams.transactional]
owner = "hotel"
"""


class Listener(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/secret"


class _Taking(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener() as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield it
        finally:
            it.shutdown()
            thread.join()


def configured(here: Terminal, more: str = CONFIGURED) -> None:
    here.config.write_text(here.config.read_text() + more)


def hand_in(here: Terminal) -> None:
    said = here.run("send", "--from", SENDER, "--to", "guest@example.com", "--subject", "Hi", "--text", "x")
    assert said.code == 0, said


def test_nothing_is_wrong(here: Terminal) -> None:
    """And it says that nobody would be told."""
    said = here.run("alerts")
    assert (said.code, said.out) == (0, "Nothing is wrong, and nothing was lately.\n")
    assert "Nobody is told" in said.err
    assert here.json("alerts") == {"alerts": []}


def test_a_watch_tells_that_no_worker_is_alive(here: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own, from a timer: it sends no mail, tells the owner once, and the list says who was told."""
    with listening() as hotel:
        monkeypatch.setenv("SLACK_URL", "http://127.0.0.1:9/")
        monkeypatch.setenv("HOTEL_SLACK_URL", hotel.url)
        configured(here)
        hand_in(here)
        for _ in range(2):
            assert here.run("alerts", "watch", "--once").code == 0
        assert len(hotel.bodies) == 1
    assert b"no worker is alive" in hotel.bodies[0] and b"guest@example.com" not in hotel.bodies[0]
    said = here.run("alerts")
    assert said.code == 3
    assert "Mail is late: 1 wait in stream transactional" in said.out and "kakitome worker --config" in said.out
    [alert] = here.json("alerts", code=3)["alerts"]
    assert (alert["why"], alert["owners"], alert["ended"]) == ("no-worker", ["hotel"], None)
    assert [(told["channel"], told["part"]) for told in alert["told"] if told["at"]] == [("slack:hotel", "raised")]


def test_every_channel_is_tried(here: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What answered is said, what did not, too, and a secret that is not there; no address is shown."""
    with listening() as slack:
        monkeypatch.setenv("SLACK_URL", slack.url)
        configured(here)
        answer = here.json("alerts", "test", code=1)
        monkeypatch.setenv("HOTEL_SLACK_URL", "http://example.com/secret")
        unsafe = here.json("alerts", "test", code=1)
        monkeypatch.setenv("HOTEL_SLACK_URL", slack.url)
        assert here.run("alerts", "test").code == 0
    assert [(c["name"], c["ok"]) for c in answer["channels"]] == [("slack", True), ("slack:hotel", False)]
    assert "HOTEL_SLACK_URL" in answer["channels"][1]["answer"]
    assert "https://" in unsafe["channels"][1]["answer"] and "secret" not in unsafe["channels"][1]["answer"]
    assert here.json("alerts") == {"alerts": []}


def test_no_channel_is_said(here: Terminal) -> None:
    """Trying nothing is no success."""
    said = here.run("alerts", "test")
    assert said.code == 1 and "No channel is configured" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ('slack = "https://hooks.slack.com/services/T/B/x"', "holds a secret itself"),
        ('webhook = "env:HOOK"', "webhook_secret"),
        ('late_after = "0s"', "alerts.late_after"),
        ('every = "soon"', "alerts.every"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_start(here: Terminal, wrong: str, why: str) -> None:
    """With the key, before anything is opened."""
    configured(here, f"\n[alerts]\n{wrong}\n")
    said = here.run("alerts")
    assert said.code == 2 and why in said.err


def test_the_watch_runs_until_it_is_told_to_stop(here: Terminal) -> None:
    """As a service of its own: SIGTERM ends it in order, and it has sent no mail."""
    with here.spawn("alerts", "watch") as process:
        assert process.stderr is not None
        while "Watching" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
