"""S3 on this machine, and a front before it that sees every request, and can break off an answer or give another."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.session import Session

from emulator import KEYS, REGION, emulator

PLAIN, VERSIONED = "plain-lists", "versioned-lists"
REFUSAL = "<Error><Code>{}</Code><Message>by the test</Message></Error>"


class Store:
    """`client` speaks to the emulator itself, past the front."""

    def __init__(self, client: Any, front: Front) -> None:
        self.client = client
        self.front = front

    def put(self, data: bytes, key: str = "list.csv", bucket: str = PLAIN) -> str:
        self.client.put_object(Bucket=bucket, Key=key, Body=data)
        return f"s3://{bucket}/{key}"

    def environment(self, patch: pytest.MonkeyPatch) -> None:
        """Commands of this test find the front, and its keys; the SDK does not wait for what will not come."""
        self.front.reset()
        for name, value in {**KEYS, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_S3": self.front.url}.items():
            patch.setenv(name, value)
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        patch.setenv("NO_PROXY", "127.0.0.1")


class Front(ThreadingHTTPServer):
    """`cuts`: after so many bytes of a body the next connections break. `codes`: what the next requests are answered.
    `then(n)` is called before the n-th request is passed on."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = urlsplit(behind).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.reset()

    def reset(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.cuts: list[int] = []
        self.codes: list[tuple[int, str]] = []
        self.then: Callable[[int], object] = lambda _: None


class _Passing(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        front = self.server
        front.asked.append((self.command, self.path, {name.lower(): text for name, text in self.headers.items()}))
        front.then(len(front.asked))
        if front.codes:
            status, code = front.codes.pop(0)
            self._answer(status, [], REFUSAL.format(code).encode())
            return
        behind = http.client.HTTPConnection(front.behind, timeout=30)
        behind.request(self.command, self.path, headers=dict(self.headers))
        reply = behind.getresponse()
        body = reply.read()
        behind.close()
        kept = [(name, text) for name, text in reply.getheaders() if name.lower() in KEPT]
        self._answer(reply.status, kept, body, reply.getheader("Content-Length"))

    do_HEAD = do_GET  # noqa: N815  the name that http.server looks for

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None) -> None:
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)) if self.command == "GET" else length or "0")
        self.end_headers()
        if self.command == "GET" and len(body) > 1 and self.server.cuts:
            body, self.close_connection = body[: self.server.cuts.pop(0)], True
        if self.command == "GET":
            self.wfile.write(body)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True  # the reader had enough

    def log_message(self, format: str, *args: object) -> None:
        pass


KEPT = {"etag", "x-amz-version-id", "content-range", "content-type", "last-modified"}


@contextmanager
def store(folder: Path) -> Iterator[Store]:
    """One for the tests of a file, with a bucket that keeps versions and one that does not."""
    with emulator(folder) as aws, Front(aws.url) as front:
        serving = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            client = Session().create_client(
                "s3",
                endpoint_url=aws.url,
                region_name=REGION,
                aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            )
            for bucket in (PLAIN, VERSIONED):
                client.create_bucket(Bucket=bucket)
            client.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
            yield Store(client, front)
        finally:
            front.shutdown()
            serving.join()
