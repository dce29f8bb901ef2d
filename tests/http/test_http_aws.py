"""Amazon's own SNS at the door: certificates, signature versions, raw deliveries, and the wish to connect."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from house import Answer, House, configuration, house

from kakitome.core.errors import LedgerUnavailable
from kakitome.sources.certificates import CertificateUnavailable
from kakitome.sources.sns_confirmation import SubscriptionUnconfirmed

TOPIC = "arn:aws:sns:us-east-1:123456789012:bounces"
CERTIFICATE = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SAMPLE = (Path(__file__).parents[1] / "samples" / "ses-bounce-notification.json").read_text()
GREETING = "Successfully validated SNS topic for Amazon SES event publishing."
TOKEN = "2336412f"


@cache
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.RSA)


@cache
def issued() -> trustme.LeafCert:
    return authority().issue_cert("sns.amazonaws.com", key_type=trustme.KeyType.RSA)


class Web:
    """What is fetched of AWS, and with what it was told yes."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.confirmed: list[tuple[str, str]] = []
        self.down = False

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.down:
            raise CertificateUnavailable("No answer.")
        return issued().cert_chain_pems[0].bytes() + authority().cert_pem.bytes()

    async def confirm(self, topic: str, token: str) -> str:
        if self.down:
            raise SubscriptionUnconfirmed("AccessDenied.", "The keys need sns:ConfirmSubscription.")
        self.confirmed.append((topic, token))
        return f"{topic}:subscription"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    it = Web()
    root = x509.load_pem_x509_certificate(authority().cert_pem.bytes())
    monkeypatch.setattr("kakitome.doors.fetch", it.fetch)
    monkeypatch.setattr("kakitome.doors.confirming", lambda endpoint: it.confirm)
    monkeypatch.setattr("kakitome.sources.sns_certificates.trusted_here", lambda: [root])
    return it


@pytest.fixture
def door(web: Web, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    file = configuration(tmp_path, tmp_path / "none", topics=[TOPIC])
    more = getattr(request, "param", "")
    file.write_text(file.read_text().replace('trust = "simulator"', more))
    with house(file) as it:
        yield it


def envelope(message: str = SAMPLE, version: str = "2", **changes: Any) -> dict[str, Any]:
    """As SNS signs it; a change of `Signature` is made after signing."""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {"Type": "Notification", "MessageId": "1", "TopicArn": TOPIC, "Message": message, "Timestamp": stamp}
    fields |= {name: value for name, value in changes.items() if name != "Signature"}
    unsigned = {"SignatureVersion": version, "SigningCertURL": fields.pop("SigningCertURL", CERTIFICATE)}
    text = "".join(f"{name}\n{fields[name]}\n" for name in sorted(fields))
    key = serialization.load_pem_private_key(issued().private_key_pem.bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA1() if version == "1" else hashes.SHA256())
    return {**fields, **unsigned, "Signature": base64.b64encode(signature).decode(), **changes}


def confirmation(kind: str = "SubscriptionConfirmation") -> dict[str, Any]:
    return envelope("You have chosen …", Type=kind, Token=TOKEN, SubscribeURL="http://169.254.169.254/")


def post(it: House, fields: dict[str, Any] | bytes, **headers: str) -> Answer:
    named = fields if isinstance(fields, dict) else {"Type": "Notification", "TopicArn": TOPIC, "MessageId": "1"}
    own = {
        "x_amz_sns_message_type": named["Type"],
        "x_amz_sns_topic_arn": named["TopicArn"],
        "x_amz_sns_message_id": named["MessageId"],
    }
    body = json.dumps(fields).encode() if isinstance(fields, dict) else fields
    return it.ask("POST", "/events/ses", body, **own, **headers)


def test_amazons_signature_is_believed(door: House, web: Web) -> None:
    """With its certificate's chain and name; the second event needs no fetch."""
    assert post(door, envelope()).json == {"fresh": 1, "unmatched": 1}
    assert post(door, envelope()).json == {"known": 1}
    assert web.asked == [CERTIFICATE]


@pytest.mark.parametrize(
    "forged",
    [
        {"TopicArn": "arn:aws:sns:us-east-1:999999999999:theirs"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-00.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00.pem"},
        {"SigningCertURL": "http://169.254.169.254/SimpleNotificationService-00.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/bucket/SimpleNotificationService-00.pem"},
        {"Timestamp": "2020-01-01T00:00:00.000Z"},
        {"Signature": "!"},
        {"Type": "SubscriptionConfirmation"},
    ],
)
def test_forged_events_cause_no_request(door: House, web: Web, forged: dict[str, str]) -> None:
    """403, nothing stored, and no connection opened to wherever the forger wants one."""
    answer = post(door, envelope(**forged))
    assert (answer.status, answer.json["type"]) == (403, "event-refused")
    assert web.asked == [] and web.confirmed == []
    assert door.suppressions() == [] and door.journal("event_unmatched") == []


def test_a_certificate_that_cannot_be_had_lets_sns_come_again(door: House, web: Web) -> None:
    """503, and the repetition is taken."""
    web.down = True
    answer = post(door, envelope())
    assert (answer.status, answer.json["type"]) == (503, "certificate-unavailable")
    assert "retry-after" in answer.headers
    web.down = False
    assert post(door, envelope()).json == {"fresh": 1, "unmatched": 1}


def test_sha1_is_refused_with_the_remedy(door: House, web: Web, caplog: pytest.LogCaptureFixture) -> None:
    """What SNS does unless it is told otherwise: the log has the command that tells it."""
    with caplog.at_level("WARNING", "kakitome.http.events"):
        assert post(door, envelope(version="1")).status == 403
    command = f"set-topic-attributes --topic-arn {TOPIC} --attribute-name SignatureVersion --attribute-value 2"
    assert command in caplog.text
    assert web.asked == []


@pytest.mark.parametrize("door", ["signature_versions = [1, 2]"], indirect=True)
def test_sha1_by_setting(door: House) -> None:
    """Both versions, where the operator takes both."""
    assert post(door, envelope(version="1")).json == {"fresh": 1, "unmatched": 1}
    assert post(door, envelope(version="2")).json == {"known": 1}


def test_a_raw_delivery_is_refused_with_the_remedy(door: House, caplog: pytest.LogCaptureFixture) -> None:
    """Without an envelope there is no signature; the log says what to set."""
    with caplog.at_level("WARNING", "kakitome.http.events"):
        assert post(door, SAMPLE.encode(), x_amz_sns_rawdelivery="true").status == 403
    assert "RawMessageDelivery" in caplog.text and "SQS" in caplog.text
    assert door.suppressions() == []


def test_a_topics_greeting_is_noted(door: House) -> None:
    """SES's word to a new topic is no event and no error: the journal says that the way is open."""
    assert post(door, envelope(GREETING)).json == {}
    (entry,) = door.journal("topic_connected")
    assert entry.data == {"topic": TOPIC}


@pytest.mark.parametrize("what", ["poison", "greeting", "wish", "goodbye"])
def test_what_is_no_event_is_durable_before_it_is_acknowledged(
    door: House, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """503 while the ledger is down, for quarantine, greetings and confirmations as for events; then 200."""
    wanted = {
        "poison": envelope("{"),
        "greeting": envelope(GREETING),
        "wish": confirmation(),
        "goodbye": confirmation("UnsubscribeConfirmation"),
    }[what]

    async def full(*_: object) -> None:
        raise LedgerUnavailable("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(type(door.instance.ledger.journal), "note", full)
        answer = post(door, wanted)
    assert (answer.status, answer.json["type"]) == (503, "ledger-unavailable")
    assert post(door, wanted).status == 200


@pytest.mark.parametrize("door", ["confirm = true"], indirect=True)
def test_a_topic_of_ours_is_told_yes(door: House, web: Web) -> None:
    """By the API, with its token; the address that it names is never opened."""
    assert post(door, confirmation()).json == {}
    assert web.confirmed == [(TOPIC, TOKEN)]
    assert web.asked == [CERTIFICATE]
    (entry,) = door.journal("subscription_confirmed")
    assert entry.data["subscription"] == f"{TOPIC}:subscription"


@pytest.mark.parametrize("door", ["confirm = true"], indirect=True)
def test_a_yes_that_fails_is_asked_for_again(door: House, web: Web) -> None:
    """503 with what to do; the journal claims nothing."""
    post(door, envelope())
    web.down = True
    answer = post(door, confirmation())
    assert (answer.status, answer.json["type"]) == (503, "subscription-unconfirmed")
    assert "sns:ConfirmSubscription" in answer.json["detail"]
    assert door.journal("subscription_confirmed") == []


@pytest.mark.parametrize("door", ["confirm = true", ""], indirect=True)
def test_a_goodbye_is_never_answered(door: House, web: Web, caplog: pytest.LogCaptureFixture) -> None:
    """The token of an UnsubscribeConfirmation would connect the topic again: a person decides."""
    with caplog.at_level("WARNING", "kakitome.http.events"):
        assert post(door, confirmation("UnsubscribeConfirmation")).status == 200
    assert web.confirmed == []
    assert re.search(r"was disconnected.*aws sns confirm-subscription", caplog.text)
    (entry,) = door.journal("subscription_asked")
    assert entry.data["wants"] == "unsubscribe"
