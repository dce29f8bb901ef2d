"""The client against a server that answers as told."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import kakitome
from kakitome.client import Client, Handle, KakitomeApiError

HANDLE: dict[str, object] = {"id": "msg_2", "recipient": "a@example.com", "status": "queued", "new": 1}
SENT = {"id": "sub_1", "messages": [HANDLE]}
PROBLEM = {"type": "address", "title": "An address", "status": 422, "detail": "No @. Write one."}
MESSAGE = HANDLE | {"state": "queued", "delivery": None, "attempts": 0, "timeline": [{"kind": "accepted"}]}
STATUS = {"id": "sub_1", "messages": [MESSAGE]}


class Server(ThreadingHTTPServer):
    """Answers with what is next in `answers` (the last one for ever) and keeps what it was asked. `None` is no answer
    at all: the connection is cut."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers: list[tuple[int, object, dict[str, str]] | None] = [(202, SENT, {})]
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((f"{self.command} {self.path}", headers, json.loads(body) if body else None))
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if answer is None:
            self.connection.close()
            return
        status, told, more = answer
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.headers["Content-Length"] = self.headers["Content-Length"] or "0"
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as it:
        yield it


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield it
        finally:
            it.shutdown()
            thread.join()


def sleepless(server: Server, key: str | None = "key") -> tuple[Client, list[float]]:
    """A client that notes its pauses instead of making them."""
    pauses: list[float] = []
    return Client(server.url, key, timeout=10, backoff=(0.1, 0.2), sleep=pauses.append), pauses


def test_a_mail_is_what_was_given_and_no_more(server: Server) -> None:
    """The server has the defaults; what was not given is not sent."""
    client, _ = sleepless(server)
    sent = client.send(to="a@example.com", sender="b@example.com", subject="ご予約", text="Hello")
    assert (sent.id, sent.messages) == ("sub_1", (Handle("msg_2", "a@example.com", "queued"),))
    ((request, headers, body),) = server.asked
    assert request == "POST /v1/messages"
    assert headers["authorization"] == "Bearer key"
    assert headers["idempotency-key"] == sent.idempotency_key
    assert body == {"to": ["a@example.com"], "from": "b@example.com", "subject": "ご予約", "text": "Hello"}


def test_everything_can_be_given(server: Server, tmp_path: Path) -> None:
    """Lists, times with their zone, variables with their types, files by path and by content."""
    file = tmp_path / "bill.pdf"
    file.write_bytes(b"%PDF")
    client, _ = sleepless(server)
    client.send(
        to=["a@example.com", "b@example.com"],
        cc="c@example.com",
        bcc=("d@example.com",),
        reply_to="e@example.com",
        template="booking-made",
        variables={"name": "花子", "nights": 2},
        headers={"X-A": "b"},
        attachments=[file, ("a.txt", b"a", "text/plain"), ("b.png", b"b", "image/png", "logo")],
        stream="booking",
        reference="booking/1",
        tags={"hotel": "7"},
        send_at=datetime(2026, 12, 1, 9, tzinfo=UTC),
        expires_at=datetime(2026, 12, 2, 9, tzinfo=UTC),
        charset="iso-2022-jp",
        idempotency_key="予約/1",
    )
    ((_, headers, body),) = server.asked
    assert headers["idempotency-key"].encode("latin-1").decode() == "予約/1"
    assert body == {
        "to": ["a@example.com", "b@example.com"],
        "cc": ["c@example.com"],
        "bcc": ["d@example.com"],
        "reply_to": ["e@example.com"],
        "template": "booking-made",
        "variables": {"name": "花子", "nights": 2},
        "headers": {"X-A": "b"},
        "attachments": [
            {"filename": "bill.pdf", "content_type": "application/pdf", "content": base64.b64encode(b"%PDF").decode()},
            {"filename": "a.txt", "content_type": "text/plain", "content": "YQ=="},
            {"filename": "b.png", "content_type": "image/png", "content": "Yg==", "content_id": "logo"},
        ],
        "stream": "booking",
        "reference": "booking/1",
        "tags": {"hotel": "7"},
        "send_at": "2026-12-01T09:00:00+00:00",
        "expires_at": "2026-12-02T09:00:00+00:00",
        "charset": "iso-2022-jp",
    }


@pytest.mark.parametrize(
    "trouble", [None, (503, PROBLEM, {}), (502, b"<h1>Bad gateway</h1>", {}), (202, b'{"id": "su', {})]
)
def test_trouble_is_met_again_with_the_same_key(server: Server, trouble: Any) -> None:
    """A cut connection, a refusal for now, half an answer: the repetition names the same mail."""
    server.answers = [trouble, trouble, (202, SENT, {})]
    client, pauses = sleepless(server)
    assert client.send(to="a@example.com").id == "sub_1"
    assert pauses == [0.1, 0.2]
    assert len({headers["idempotency-key"] for _, headers, _ in server.asked}) == 1
    assert len(server.asked) == 3


def test_two_mails_have_two_keys(server: Server) -> None:
    """A random key covers the repetitions of one call only."""
    client, _ = sleepless(server)
    assert client.send(to="a@example.com").idempotency_key != client.send(to="a@example.com").idempotency_key


def test_the_server_says_when_to_come_again(server: Server) -> None:
    """Retry-After lengthens a pause, and no server makes anybody wait for an hour."""
    client, pauses = sleepless(server)
    server.answers = [(503, PROBLEM, {"Retry-After": "5"}), (503, PROBLEM, {"Retry-After": "3600"}), (202, SENT, {})]
    client.send(to="a@example.com")
    assert pauses == [5, 30]


def test_at_last_it_gives_up(server: Server) -> None:
    """The last refusal is told; and where no answer came, that it is not known, with the key to ask again."""
    client, pauses = sleepless(server)
    server.answers = [(503, {**PROBLEM, "type": "ledger-unavailable"}, {})]
    with pytest.raises(KakitomeApiError) as caught:
        client.send(to="a@example.com", idempotency_key="a")
    assert (caught.value.status, caught.value.kind, len(pauses)) == (503, "ledger-unavailable", 2)
    server.answers = [None]
    with pytest.raises(KakitomeApiError) as caught:
        client.send(to="a@example.com", idempotency_key="a")
    assert (caught.value.status, caught.value.kind, caught.value.idempotency_key) == (0, "no-answer", "a")


def test_a_refusal_is_told_at_once(server: Server) -> None:
    """What is wrong with a mail does not get better by repeating it."""
    client, pauses = sleepless(server)
    server.answers = [(422, PROBLEM, {})]
    with pytest.raises(KakitomeApiError, match=r"422: No @\. Write one\.") as caught:
        client.send(to="a")
    assert (caught.value.problem, pauses) == (PROBLEM, [])


def test_a_redirect_gets_no_key(server: Server) -> None:
    """It is an answer like any other: the API key is for one address only."""
    with serving() as elsewhere:
        server.answers = [(302, b"", {"Location": elsewhere.url})]
        client, _ = sleepless(server)
        with pytest.raises(KakitomeApiError) as caught:
            client.status("sub_1")
        assert (caught.value.status, elsewhere.asked) == (302, [])


def test_status_and_cancel(server: Server) -> None:
    """Any id goes into the path as it is; members that a newer server adds are passed over."""
    client, _ = sleepless(server, key=None)
    server.answers = [(200, STATUS, {})]
    for ask in (client.status, client.cancel):
        (message,) = ask("<a/b?@c>").messages
        assert (message.status, message.timeline) == ("queued", ({"kind": "accepted"},))
    assert [request for request, _, _ in server.asked] == [
        "GET /v1/messages/%3Ca%2Fb%3F%40c%3E",
        "POST /v1/messages/%3Ca%2Fb%3F%40c%3E/cancel",
    ]
    assert "authorization" not in server.asked[0][1]


@pytest.mark.parametrize("url", ["mail.example.com", "file:///etc/passwd", "ftp://example.com"])
def test_an_address_is_http(url: str) -> None:
    """Nothing else is opened."""
    with pytest.raises(ValueError, match="HTTP server"):
        Client(url)


def test_mistakes_of_the_caller_are_said_before_anything_is_sent(server: Server) -> None:
    """A time without its zone; a line break in a key, which is not repeated in the error."""
    client, _ = sleepless(server)
    with pytest.raises(ValueError, match="time zone"):
        client.send(to="a@example.com", send_at=datetime(2026, 12, 1, 9))
    with pytest.raises(ValueError, match="line break"):
        client.send(to="a@example.com", idempotency_key="a\r\nX: y")
    with pytest.raises(ValueError, match="line break") as caught:
        Client(server.url, "secret\n")
    assert "secret" not in str(caught.value)
    assert server.asked == []


def test_it_brings_nothing_but_python() -> None:
    """`from kakitome import Client` loads no module of the server, nor any package that is not Python's own."""
    look = (
        "import sys; before = set(sys.modules); from kakitome import Client; "
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)));"
        "print(*sorted(m for m in sys.modules if m.startswith('kakitome')))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=20)
    packages, modules = done.stdout.splitlines()
    assert packages == "kakitome"
    assert {module.partition(".client")[0] for module in modules.split()} == {"kakitome"}


def test_what_kakitome_exports() -> None:
    """Sorted, there, and nothing else."""
    assert sorted(kakitome.__all__) == kakitome.__all__
    assert all(getattr(kakitome, name) for name in kakitome.__all__)
    with pytest.raises(AttributeError, match="Server"):
        _ = kakitome.Server
