"""What wakes functions: SQS, SNS, the clock, HTTP. Each is handed what AWS's own documentation shows."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from container import Context, Place, container

from kakitome import guard
from kakitome.accept import Handed, accept
from kakitome.aws import api, events, feed, sweep, worker
from kakitome.aws.composition import Here
from kakitome.core.errors import ConfigurationError, LedgerUnavailable
from kakitome.core.submission import MessageRequest

TOPIC = "arn:aws:sns:us-east-1:000000000000:events"
BOUNCE = (Path(__file__).parents[1] / "samples" / "ses-bounce-notification.json").read_text("utf-8")
ADDRESS = "bounce@simulator.amazonses.com"


def queued(*bodies: str) -> dict[str, Any]:
    records = [{"messageId": f"m{n}", "receiptHandle": "r", "body": body} for n, body in enumerate(bodies)]
    return {"Records": [record | {"eventSource": "aws:sqs"} for record in records]}


def enveloped(message: str, topic: str = TOPIC) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": topic, "Message": message})


def suppressed(place: Place) -> list[str]:
    async def told(here: Here) -> list[str]:
        return [one.address for one in await here.instance.ledger.suppressions.list("", 9)]

    found: list[str] = place.ask(told)
    return found


def journal(place: Place, kind: str) -> list[dict[str, Any]]:
    async def told(here: Here) -> list[dict[str, Any]]:
        return [entry.data for entry in await here.instance.ledger.journal.read(0, 99) if entry.kind == kind]

    found: list[dict[str, Any]] = place.ask(told)
    return found


async def handed_in(here: Here) -> None:
    mail = MessageRequest(sender="a@example.com", to=["b@example.com"], subject="Hi", text="x")
    await accept([Handed(mail)], here.instance.desk())


@pytest.mark.parametrize(
    "event",
    [
        queued(enveloped(BOUNCE)),
        queued(BOUNCE),
        {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "m", "TopicArn": TOPIC, "Message": BOUNCE}}]},
    ],
    ids=["enveloped", "raw", "by SNS"],
)
def test_a_bounce_suppresses_its_address(place: Place, event: dict[str, Any]) -> None:
    """By each of the ways, and once however often it comes."""
    for _ in range(2):
        assert events.handler(event, None) == {"batchItemFailures": []}
    assert suppressed(place) == [ADDRESS]


def test_what_cannot_be_read_is_kept_and_does_not_come_again(place: Place) -> None:
    """Poison between two good ones: all three are acknowledged, and it can be looked at."""
    strange = enveloped(BOUNCE, "arn:aws:sns:us-east-1:000000000000:theirs")
    told = events.handler(queued("{poison", enveloped(BOUNCE), strange), None)
    assert told == {"batchItemFailures": []} and suppressed(place) == [ADDRESS]
    assert [kept["id"] for kept in journal(place, "event_quarantined")] == ["m0", "m2"]


def test_an_event_that_is_not_durable_is_not_acknowledged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger cannot write: the function fails, and AWS brings the batch again."""

    async def full(*_: object) -> None:
        raise LedgerUnavailable("The disk is full.")

    async def broken(here: Here) -> None:
        monkeypatch.setattr(type(here.instance.ledger.events), "fold", full)

    place.ask(broken)
    with pytest.raises(LedgerUnavailable):
        events.handler(queued(enveloped(BOUNCE)), None)


def test_a_ring_sends_what_is_due(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it says. Where there is time for nothing the mail stays where it is, and nobody is rung for, who would
    have no more time."""
    rung: list[object] = []

    async def rings(*_: object) -> None:
        rung.append(1)

    monkeypatch.setattr(worker, "ring", rings)
    place.ask(handed_in)
    worker.handler(queued("ring"), Context(left=8_000))
    assert place.to() == [] and rung == []
    assert worker.handler(queued("ring", "{anything"), Context()) == {"batchItemFailures": []}
    assert place.to() == ["b@example.com"]


def test_a_worker_for_a_while_leaves_no_trace(place: Place) -> None:
    """It ends in the ledger and on its machine, however often it comes."""
    for _ in range(3):
        worker.handler(queued("ring"), Context())

    async def workers(here: Here) -> list[object]:
        return list(await here.instance.ledger.workers.all())

    assert place.ask(workers) == []
    assert list((place.outbox.parent / "workers").iterdir()) == []


def test_a_sweep_does_each_part(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One part that fails holds no other up, and is the function's error in the end."""
    sweep.handler({}, None)

    async def broken(*_: object) -> None:
        raise RuntimeError("of ours")

    rung: list[object] = []

    async def rings(*_: object) -> None:
        rung.append(1)

    monkeypatch.setattr(guard, "look", broken)
    monkeypatch.setattr(sweep, "ring", rings)
    with pytest.raises(RuntimeError, match="guard"):
        sweep.handler({}, None)
    assert rung == [1]


def test_a_feed_needs_a_table(place: Place) -> None:
    """A ledger without a stream says so."""
    with pytest.raises(ConfigurationError, match="stream"):
        feed.handler({"Records": []}, None)


def request(method: str, path: str, body: str = "", **headers: str) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "id.lambda-url.us-east-1.on.aws", "content-type": "application/json", **headers},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}},
        "body": base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": True,
    }


def test_mail_is_handed_in_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key, and with the answers and headers that the server gives; without one it is refused."""
    monkeypatch.setenv("KAKITOME_API_KEY", "right")
    lane = {"KAKITOME_LANES__BOX__PROVIDER": "smtp", "KAKITOME_LANES__BOX__HOST": "127.0.0.1"}
    mail = json.dumps({"from": "a@example.com", "to": ["b@example.com"], "subject": "髙", "text": "x"})
    with container(tmp_path, monkeypatch, **lane):
        refused = api.handler(request("POST", "/v1/messages", mail), None)
        assert refused["statusCode"] == 401
        taken = api.handler(request("POST", "/v1/messages", mail, authorization="Bearer right"), None)
        assert taken["statusCode"] == 202, base64.b64decode(taken["body"])
        id = json.loads(base64.b64decode(taken["body"]))["messages"][0]["id"]
        told = api.handler(request("GET", f"/v1/messages/{id}", authorization="Bearer right"), None)
        assert (told["statusCode"], told["headers"]["cache-control"]) == (200, "no-store")
        [message] = json.loads(base64.b64decode(told["body"]))["messages"]
        assert (message["recipient"], message["status"]) == ("b@example.com", "queued")


def test_strangers_need_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function with an address and without any key answers nobody."""
    monkeypatch.delenv("KAKITOME_API_KEY", raising=False)
    lane = {"KAKITOME_LANES__BOX__PROVIDER": "smtp", "KAKITOME_LANES__BOX__HOST": "127.0.0.1"}
    with container(tmp_path, monkeypatch, **lane), pytest.raises(ConfigurationError, match="API key"):
        api.handler(request("GET", "/v1/messages/x", host="localhost"), None)
