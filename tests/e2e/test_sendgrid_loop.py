"""A lane to SendGrid from end to end: two processes, the way out and the way of the events back."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import process

from kakitome import Client
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

PATIENCE = 20  # seconds until a test gives up
PAUSE = 0.02  # seconds between two looks

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[lanes.sendgrid]
provider = "sendgrid"
api_key = "file:{folder}/api-key"
endpoint = "{endpoint}"
[http]
address = "127.0.0.1:0"
keys = []
[events]
sendgrid_keys = ["file:{folder}/sendgrid.key"]
"""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sendgrid")


@pytest.fixture(scope="module")
def provider(folder: Path) -> Iterator[Remote]:
    with running("--sendgrid-key", str(folder / "sendgrid.key"), "--sendgrid-api-key", "SG.right") as remote:
        yield remote


@pytest.fixture(scope="module")
def url(provider: Remote, folder: Path) -> Iterator[str]:
    (folder / "api-key").write_text("SG.right\n")
    file = folder / "kakitome.toml"
    file.write_text(CONFIGURATION.format(folder=folder, endpoint=provider.url))
    with process(file) as (_, url):
        provider.sendgrid_events_to(f"{url}/events/sendgrid")
        yield url


def until(said: Callable[[], bool]) -> None:
    """Look again until it is so."""
    end = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < end, "it never became so"
        time.sleep(PAUSE)


def mail(**more: Any) -> dict[str, Any]:
    return {"sender": "hotel@example.com", "subject": "ご予約", "text": "Your room is booked.", **more}


def statuses(url: str, id: str) -> list[str]:
    return [message.status for message in Client(url).status(id).messages]


def told(url: str, id: str) -> Any:
    with _DIRECT.open(f"{url}/v1/messages/{id}", timeout=PATIENCE) as answer:
        return json.load(answer)


def test_sent_and_delivered(url: str, provider: Remote) -> None:
    """Handed in, taken by SendGrid once, and its event says what became of it."""
    id = Client(url).send(to="one@example.com", **mail()).id
    until(lambda: statuses(url, id) == ["delivered"])
    [line] = [line for line in provider.accepted() if line.recipient == "one@example.com"]
    assert (line.provider, line.subject) == ("sendgrid", "ご予約")
    assert line.message == told(url, id)["messages"][0]["id"]


def test_the_timeline_is_in_order_although_sendgrid_tells_whole_seconds(url: str) -> None:
    """What it says of this second did not happen before we asked it to."""
    for number in range(3):
        id = Client(url).send(to=f"order{number}@example.com", **mail()).id
        until(lambda: statuses(url, id) == ["delivered"])  # noqa: B023 - it is called in this round
        until(lambda: kinds(url, id).count("event") == 2)  # noqa: B023
        assert kinds(url, id)[:2] == ["accepted", "attempt"]  # its outcome may be known behind the first event


def kinds(url: str, id: str) -> list[str]:
    """Of its timeline."""
    [message] = told(url, id)["messages"]
    return [entry["kind"] for entry in message["timeline"]]


def test_siblings_are_one_request_and_each_has_a_fate_of_their_own(url: str, provider: Remote) -> None:
    """To, Cc and Bcc in one request; the bounce of one is not the others'."""
    before = provider.state()["sendgrid"]["mails"]
    bounced = "bounce+1@simulator.example"
    id = Client(url).send(to="to@example.com", cc=[bounced], bcc=["bcc@example.com"], **mail()).id
    until(lambda: statuses(url, id) == ["delivered", "bounced", "delivered"])
    assert provider.state()["sendgrid"]["mails"] == before + 1


def test_a_lost_reply_is_proved_by_an_event(url: str, provider: Remote) -> None:
    """Nobody answered, the mail is in doubt, the event settles it: delivered, and sent once."""
    provider.faults(["lose_reply@via=sendgrid@count=1"])
    id = Client(url).send(to="lost@example.com", **mail()).id
    until(lambda: statuses(url, id) == ["delivered"] and "reason" in json.dumps(told(url, id)))
    assert [line.recipient for line in provider.accepted()].count("lost@example.com") == 1
    [message] = told(url, id)["messages"]
    [attempt] = [entry for entry in message["timeline"] if entry["kind"] == "attempt"]
    assert (attempt["outcome"], attempt["reason"]) == ("uncertain", "connection_lost")
    assert attempt["proved"] and message["copies_possible"] is False
