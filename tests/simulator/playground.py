"""What the tests of the simulator share: one in a thread, clients that are not ours, and a subscriber."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email import policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kakitome_simulator import Options, Simulator
from kakitome_simulator.clock import Clock
from kakitome_simulator.remote import Remote

SENDER = "news@example.com"
READER = "reader@example.com"


class HandClock:
    """A clock that moves when a test says so; `seconds` since it was made."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def ticks(self) -> int:
        return 10**18 + round(self.seconds * 10**9)

    def now(self) -> int:
        return 1_790_000_000_000 + round(self.seconds * 1000)


class Stage:
    """A simulator in a thread of its own, and the ways to reach it."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.remote = Remote(**simulator.addresses)  # type: ignore[arg-type]

    @contextmanager
    def smtp(self) -> Iterator[smtplib.SMTP]:
        """smtplib, greeted and signed in."""
        with smtplib.SMTP("127.0.0.1", self.simulator.smtp_port, timeout=10) as client:
            client.ehlo()
            client.login("user", "password")
            yield client

    @contextmanager
    def socket(self) -> Iterator[socket.socket]:
        """A bare connection, before the greeting."""
        with closing(socket.create_connection(("127.0.0.1", self.simulator.smtp_port), timeout=10)) as connection:
            yield connection

    @contextmanager
    def sesv2(self, read_timeout: float = 10) -> Iterator[Any]:
        """boto3's own client, told to try once."""
        session = boto3.Session("key", "secret", region_name="us-east-1")
        config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout, proxies={})
        with closing(session.client("sesv2", endpoint_url=self.remote.url, config=config)) as client:
            yield client

    def send(self, *recipients: str, **fields: str) -> None:
        with self.smtp() as client:
            client.sendmail(SENDER, list(recipients) or [READER], mail(**fields))


@contextmanager
def stage(clock: Clock | None = None, **options: Any) -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Simulator(Options(**options), clock)
    try:
        asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result(10)
        try:
            yield Stage(simulator)
        finally:
            asyncio.run_coroutine_threadsafe(simulator.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def mail(subject: str = "Hello", **fields: str) -> bytes:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = SENDER
    message["To"] = READER
    message["Subject"] = subject
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("Good morning.")
    return message.as_bytes()


class Subscriber:
    """An HTTP endpoint that keeps what SNS posts to it; `statuses` are its first answers, then it says 200."""

    def __init__(self, url: str, posts: queue.Queue[tuple[dict[str, str], bytes]], statuses: list[int]) -> None:
        self.url = url
        self._posts = posts
        self.statuses = statuses

    def post(self) -> tuple[dict[str, str], bytes]:
        """The next post; raises `queue.Empty` when none comes."""
        return self._posts.get(timeout=10)

    def event(self) -> dict[str, Any]:
        """The SES event of the next post."""
        message: dict[str, Any] = json.loads(json.loads(self.post()[1])["Message"])
        return message

    def events(self, count: int) -> list[dict[str, Any]]:
        return [self.event() for _ in range(count)]

    def nothing_more(self) -> bool:
        return self._posts.empty()


@contextmanager
def subscriber(*statuses: int) -> Iterator[Subscriber]:
    posts: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
    answers = list(statuses)

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Subscriber(f"http://127.0.0.1:{server.server_port}/events/ses", posts, answers)
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def verify(envelope: dict[str, str], certificate: bytes) -> None:
    """Check an SNS signature as AWS documents it; raises `InvalidSignature`."""
    signed = "".join(
        f"{key}\n{envelope[key]}\n"
        for key in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        if key in envelope
    )
    key = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(envelope["Signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
