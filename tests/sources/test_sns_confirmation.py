"""Saying yes to a topic: through the API, with our keys, once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from emulator import KEYS
from kakitome.sources.sns_confirmation import SubscriptionUnconfirmed, by_hand, confirming

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
YES = f"""<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><ConfirmSubscriptionResult>
<SubscriptionArn>{TOPIC}:1</SubscriptionArn></ConfirmSubscriptionResult></ConfirmSubscriptionResponse>"""
NO = """<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>
<Code>AuthorizationError</Code><Message>not authorized</Message></Error></ErrorResponse>"""


class Api(ThreadingHTTPServer):
    """SNS's query API. `asked` has what came, with the region of its signature."""

    daemon_threads = True
    status, answer = 200, YES

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.asked: list[dict[str, str]] = []


class _Asked(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        self.server.asked.append(fields | {"region": self.headers["Authorization"].split("/")[2]})
        data = self.server.answer.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def api() -> Iterator[Api]:
    with Api() as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield it
        finally:
            it.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def confirm(it: Api, topic: str = TOPIC) -> str:
    return asyncio.run(_confirm(it, topic))


async def _confirm(it: Api, topic: str) -> str:
    return await confirming(f"http://127.0.0.1:{it.server_port}")(topic, "token-1")


def test_a_yes_is_one_request_in_the_topics_region() -> None:
    """With topic and token as they came, and no address out of the envelope; nobody's link may end it again."""
    with api() as it:
        assert confirm(it) == f"{TOPIC}:1"
        (asked,) = it.asked
    assert asked["Action"] == "ConfirmSubscription"
    assert (asked["TopicArn"], asked["Token"], asked["region"]) == (TOPIC, "token-1", "eu-west-1")
    assert asked["AuthenticateOnUnsubscribe"] == "true"


@pytest.mark.parametrize(("status", "answer"), [(403, NO), (500, ""), (503, "slow down")])
def test_a_no_is_told_and_not_repeated(status: int, answer: str) -> None:
    """One try; the error has the command with which a person can say yes."""
    with api() as it:
        it.status, it.answer = status, answer
        with pytest.raises(SubscriptionUnconfirmed) as caught:
            confirm(it)
        assert len(it.asked) == 1
    assert by_hand(TOPIC, "token-1") in caught.value.remedy


def test_nobody_there() -> None:
    """No connection is an error of the same kind."""
    with pytest.raises(SubscriptionUnconfirmed):
        asyncio.run(_nobody())


async def _nobody() -> str:
    return await confirming("http://127.0.0.1:9")(TOPIC, "token-1")


@pytest.mark.parametrize("topic", ["", "arn:aws:sqs:eu-west-1:123456789012:x", f"{TOPIC} --profile x"])
def test_what_is_no_topic_is_not_asked_about(topic: str) -> None:
    """No request leaves for it."""
    with api() as it:
        with pytest.raises(SubscriptionUnconfirmed):
            confirm(it, topic)
        assert it.asked == []
