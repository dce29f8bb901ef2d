"""The examples of docs/adopt.md are run as they stand there, against the simulator and a Kakitome beside it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from documents import ROOT, Fence, fences

from kakitome import Client
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

DOCUMENT = ROOT / "docs" / "adopt.md"
ADDRESS = "127.0.0.1:8700"
PATIENCE = 60  # seconds
SENDGRID = 'SendGridAPIClient(os.environ["SENDGRID_API_KEY"])'
TOPICS = [f"arn:aws:sns:us-east-1:000000000000:kakitome-{name}" for name in ("bounces", "deliveries", "actions")]


@pytest.fixture
def provider() -> Iterator[Remote]:
    with running("--no-authentication") as remote:
        yield remote


@pytest.fixture
def url(provider: Remote, tmp_path: Path) -> Iterator[str]:
    """A Kakitome by the document's configuration, which hears the events of all that the provider takes."""
    with serving(provider, tmp_path) as url:
        provider.events_to(f"{url}/events/ses")
        yield url


def environment(provider: Remote) -> dict[str, str]:
    names = ("kakitome_", "aws_")
    ours = {name: value for name, value in os.environ.items() if not name.lower().startswith(names)}
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "SENDGRID_API_KEY": "SG.key"}
    return {**ours, **keys, "AWS_ENDPOINT_URL_SES": provider.url, "NO_PROXY": "127.0.0.1"}


@contextmanager
def serving(provider: Remote, folder: Path) -> Iterator[str]:
    (folder / "certificate.pem").write_bytes(provider.certificate())
    (said,) = fences(DOCUMENT, "toml")
    text = said.text.replace('provider = "', f'endpoint = "{provider.url}"\nprovider = "')
    text = "".join(line + "\n" for line in text.splitlines() if not line.startswith("topics"))
    text += f'topics = {json.dumps(TOPICS)}\ntrust = "simulator"\nsimulator_certificate = "{folder}/certificate.pem"\n'
    text += f'[ledger]\nurl = "sqlite:///{folder}/ledger.db"\n[http]\naddress = "127.0.0.1:0"\nkeys = []\n'
    file = folder / "kakitome.toml"
    file.write_text(text, "utf-8")
    command = [sys.executable, "-m", "kakitome.http", "--config", str(file)]
    with subprocess.Popen(
        command, env=environment(provider), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as it:
        try:
            assert it.stdout is not None
            yield f"http://{json.loads(it.stdout.readline())['http']}"
        finally:
            it.kill()


def run(example: Fence, provider: Remote, url: str = "") -> str:
    """As it stands there, but for the addresses of what it speaks to."""
    text = example.text.replace(f"http://{ADDRESS}", url)
    text = text.replace(SENDGRID, f'{SENDGRID[:-1]}, host="{provider.url}")')
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment(provider), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return done.stdout


def until(said: Callable[[], bool]) -> None:
    """Look again until it is so."""
    end = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.05)


def recipients(provider: Remote) -> list[str]:
    return sorted(mail.recipient for mail in provider.accepted())


def test_the_examples_work(provider: Remote, url: str) -> None:
    """As it is, and with one stream moved: each mail reaches the provider once, whoever sent it."""
    by_boto, by_sendgrid, moved = fences(DOCUMENT, "python")
    run(by_boto, provider)
    run(by_sendgrid, provider)
    assert recipients(provider) == ["guest@example.com", "reader@example.com"]
    booked, _ = run(moved, provider, url).split()
    until(lambda: Client(url).status(booked).messages[0].status in ("sent", "delivered"))
    assert recipients(provider) == ["guest@example.com"] * 3 + ["reader@example.com"]


def test_a_lost_reply_before_and_after(provider: Remote, url: str) -> None:
    """The SDK asks again and two mails are there; here it is one, and a doubt."""
    by_boto, *_ = fences(DOCUMENT, "python")
    provider.faults(["lose_reply@count=1"])
    run(by_boto, provider)
    assert recipients(provider) == ["guest@example.com"] * 2

    provider.events_to()  # else an event proves it at once
    provider.faults(["lose_reply@count=1"])
    sent = Client(url).send(stream="booking", to="other@example.com", subject="Booked", text="Your room is booked.")
    until(lambda: Client(url).status(sent.id).messages[0].state == "in_doubt")
    assert recipients(provider).count("other@example.com") == 1


def test_both_hear_the_same_events(provider: Remote, url: str) -> None:
    """What listens today goes on listening beside Kakitome: each event comes to both."""
    told: queue.Queue[str] = queue.Queue()

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.put(json.loads(body["Message"])["eventType"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listening) as before:
        threading.Thread(target=before.serve_forever, daemon=True).start()
        provider.events_to(f"http://127.0.0.1:{before.server_port}/", f"{url}/events/ses")
        sent = Client(url).send(stream="booking", to="guest@example.com", subject="Booked", text="Your room is booked.")
        assert {told.get(timeout=PATIENCE) for _ in range(2)} == {"Send", "Delivery"}
        before.shutdown()
    until(lambda: Client(url).status(sent.id).messages[0].status == "delivered")


def test_who_bounced_before_is_left_alone_after(provider: Remote, url: str) -> None:
    """The service's own mail bounced; the event reached Kakitome, too, which then does not write to that address."""
    by_boto, *_ = fences(DOCUMENT, "python")
    dead = "bounce@simulator.amazonses.com"
    run(Fence("python", by_boto.text.replace("guest@example.com", dead)), provider)

    def suppressed() -> bool:
        sent = Client(url).send(stream="booking", to=dead, subject="Booked", text="Your room is booked.")
        until(lambda: Client(url).status(sent.id).messages[0].state not in ("queued", "sending"))
        return Client(url).status(sent.id).messages[0].state == "suppressed"

    until(suppressed)
