"""Events come in over HTTP: proved, durable, once."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from house import Answer, House, configuration, house

from kakitome.core.errors import ConfigurationError, LedgerUnavailable
from kakitome_simulator.ses_event import BOUNCES, SUBJECT
from kakitome_simulator.sns import Notification, Signer

SAMPLE = (Path(__file__).parents[1] / "samples" / "ses-bounce-notification.json").read_text()
BOUNCED = "bounce@simulator.amazonses.com"
HERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def signer() -> Signer:
    """The simulator's own signature, of a key that the instance trusts."""
    return Signer(time.time_ns() // 1_000_000)


@pytest.fixture
def listening(signer: Signer, tmp_path: Path) -> Iterator[House]:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(signer.certificate)
    with house(configuration(tmp_path, certificate)) as it:
        yield it


def envelope(signer: Signer, message: str = SAMPLE, topic: str = BOUNCES, base_url: str = HERE) -> Notification:
    return signer.notification(
        message=message, subject=SUBJECT, topic=topic, message_id="1", at=time.time_ns() // 1_000_000, base_url=base_url
    )


def post(it: House, notification: Notification, body: bytes | None = None, **headers: str) -> Answer:
    given = {**notification.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return it.ask("POST", "/events/ses", notification.body if body is None else body, **given)


def suppressed(it: House) -> list[str]:
    return [suppression.address for suppression in it.suppressions()]


def test_the_sample_suppresses_and_twice_is_once(listening: House, signer: Signer) -> None:
    """A bounce of a mail that is not ours: the address is suppressed, the event kept, its copy counted as known."""
    first, second = (post(listening, envelope(signer)) for _ in range(2))
    assert (first.status, first.json) == (200, {"fresh": 1, "unmatched": 1})
    assert (second.status, second.json) == (200, {"known": 1})
    assert suppressed(listening) == [BOUNCED]


def test_the_event_form_of_it_is_the_same_event(listening: House, signer: Signer) -> None:
    """`notificationType` and `eventType` tell of one happening."""
    post(listening, envelope(signer))
    other = SAMPLE.replace("notificationType", "eventType")
    assert post(listening, envelope(signer, other)).json == {"known": 1}


@pytest.mark.parametrize("way", ["raw", "unsigned", "changed", "foreign topic", "foreign key", "other header", "empty"])
def test_what_is_not_proved_is_403_and_leaves_nothing(listening: House, signer: Signer, way: str) -> None:
    """All are refused with the same words, which do not say why."""
    good, second = envelope(signer), {"x_amz_sns_message_id": "2"}
    opened: dict[str, Any] = json.loads(good.body)
    answer = {
        "raw": lambda: post(listening, good, SAMPLE.encode(), x_amz_sns_rawdelivery="true"),
        "unsigned": lambda: post(listening, good, json.dumps(opened | {"Signature": ""}).encode()),
        "changed": lambda: post(listening, good, json.dumps(opened | {"MessageId": "2"}).encode(), **second),
        "foreign topic": lambda: post(listening, envelope(signer, topic=f"{BOUNCES}x")),
        "foreign key": lambda: post(listening, envelope(Signer(time.time_ns() // 1_000_000))),
        "other header": lambda: post(listening, good, x_amz_sns_topic_arn=f"{BOUNCES}x"),
        "empty": lambda: post(listening, good, b""),
    }[way]()  # fmt: skip
    assert (answer.status, answer.json["type"]) == (403, "event-refused")
    assert "why" not in answer.json
    assert suppressed(listening) == [] and listening.journal("event_unmatched") == []


def test_a_ledger_that_is_down_lets_sns_come_again(listening: House, signer: Signer) -> None:
    """503 until the event is durable; the repetition is then taken as the first."""
    listening.steps.broken["before_fold"] = LedgerUnavailable("The ledger cannot be used now.")
    assert post(listening, envelope(signer)).status == 503
    listening.steps.broken.clear()
    assert post(listening, envelope(signer)).json == {"fresh": 1, "unmatched": 1}


@pytest.mark.parametrize("poison", ["{", "[]", '{"eventType":"Bounce"}', '{"eventType":5,"mail":{}}', "\x00", ""])
def test_poison_goes_into_quarantine(listening: House, signer: Signer, poison: str) -> None:
    """It is SES's topic, and nobody can read it: acknowledged, since repeating helps nobody, and kept whole."""
    answer = post(listening, envelope(signer, poison))
    assert (answer.status, answer.json) == (200, {"quarantined": True})
    (entry,) = listening.journal("event_quarantined")
    assert (entry.data["message"], entry.data["topic"]) == (poison, BOUNCES)


def test_too_large_an_event_is_not_read(listening: House, signer: Signer) -> None:
    """SNS carries 256 KiB; a megabyte is somebody else's."""
    assert post(listening, envelope(signer), b"x" * (1024 * 1024 + 1)).status == 413


def test_a_wish_to_connect_waits_for_a_person(
    listening: House, signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    """A proved confirmation opens no address; the log has the command that says yes."""
    notification = confirmation(signer)
    with caplog.at_level("WARNING", "kakitome.http.events"):
        assert post(listening, notification).json == {}
    assert "aws sns confirm-subscription" in caplog.text and "2336412f" in caplog.text
    (entry,) = listening.journal("subscription_asked")
    assert entry.data == {"topic": BOUNCES, "wants": "subscribe", "token": "2336412f"}


def confirmation(signer: Signer) -> Notification:
    """Signed over the fields of a confirmation, by the signer's own hand."""
    fields = json.loads(envelope(signer).body) | {
        "Type": "SubscriptionConfirmation",
        "Token": "2336412f",
        "SubscribeURL": "http://127.0.0.1:1/",
    }
    del fields["Subject"]
    signed = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{fields[name]}\n" for name in signed)
    fields["Signature"] = _signature(signer, text)
    headers = envelope(signer).headers | {"x-amz-sns-message-type": "SubscriptionConfirmation"}
    return Notification(headers, json.dumps(fields).encode())


def _signature(signer: Signer, text: str) -> str:
    return base64.b64encode(signer._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


@pytest.mark.parametrize("way", ["absent", "no certificate", "unnamed"])
def test_a_certificate_that_is_not_there_stops_the_start(tmp_path: Path, way: str) -> None:
    """Before anything is served, with the key of the configuration."""
    certificate = tmp_path / "certificate.pem"
    if way == "no certificate":
        certificate.write_text("hello")
    file = configuration(tmp_path, certificate)
    if way == "unnamed":
        file.write_text(file.read_text().replace("simulator_certificate", "# "))
    with pytest.raises(ConfigurationError) as caught, house(file):
        pass
    assert caught.value.data["key"] == "events.simulator_certificate"
