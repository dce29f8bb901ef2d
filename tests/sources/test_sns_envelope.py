"""SNS's envelope: what is proved passes, and nothing else, whatever a stranger tries."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from kakitome.core.errors import EventRefused
from kakitome.core.event import BounceClass, EventKind, Permanence
from kakitome.sources import EventUnreadable
from kakitome.sources.certificates import CertificateUnavailable, SimulatorCertificates, is_aws_certificate
from kakitome.sources.sns import BODY_LIMIT, Confirmation, Notification, SnsSource, Why

NOW = 1_700_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:ses-bounces"
AWS_URL = "https://sns.ap-northeast-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
SIMULATOR_URL = "https://127.0.0.1:18081/SimpleNotificationService-00.pem"
SAMPLE = (Path(__file__).parents[1] / "samples" / "ses-bounce-notification.json").read_text()

CONFIRMATION: dict[str, Any] = {
    "Type": "SubscriptionConfirmation",
    "Token": "2336412f",
    "SubscribeURL": "http://169.254.169.254/",
}


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _key(name: str = "ours") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def _certificate(days: int = 3650, curve: bool = False) -> x509.Certificate:
    """Self-signed; it began ten years before NOW and ends `days` after."""
    key = ec.generate_private_key(ec.SECP256R1()) if curve else _key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.fromtimestamp(NOW / 1000, UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    return (
        builder.not_valid_before(now - timedelta(days=3650))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


Proved: TypeAlias = Notification | Confirmation


class Recorded:
    """Certificates as AWS's would be judged, that count how often one was looked up."""

    def __init__(self, certificate: x509.Certificate | None = None) -> None:
        self.certificate = certificate or _certificate()
        self.looked_up: list[str] = []

    def permits(self, url: str, topic: str) -> bool:
        return is_aws_certificate(url, topic)

    async def get(self, url: str) -> x509.Certificate:
        self.looked_up.append(url)
        return self.certificate


def _envelope(key: rsa.RSAPrivateKey | None = None, version: str = "2", **changes: Any) -> dict[str, str]:
    """A notification as SNS posts it, signed over the fields that SNS signs; a change of `None` leaves a field out."""
    fields = {
        "Type": "Notification",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": TOPIC,
        "Message": SAMPLE,
        "Timestamp": _iso(NOW - MINUTE),
        "SignatureVersion": version,
        "SigningCertURL": AWS_URL,
        "UnsubscribeURL": "https://sns.ap-northeast-1.amazonaws.com/?Action=Unsubscribe",
        **changes,
    }
    unsigned = ("SignatureVersion", "SigningCertURL", "UnsubscribeURL", "Signature")
    present = {name: value for name, value in fields.items() if value is not None}
    canonical = "".join(f"{name}\n{present[name]}\n" for name in sorted(present) if name not in unsigned)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = (key or _key()).sign(canonical.encode(), padding.PKCS1v15(), algorithm)
    return {"Signature": base64.b64encode(signature).decode(), **present}


def _headers(envelope: Mapping[str, str], **changes: str) -> dict[str, str]:
    return {
        "X-Amz-Sns-Message-Type": envelope["Type"],
        "X-Amz-Sns-Topic-Arn": envelope["TopicArn"],
        "X-Amz-Sns-Message-Id": envelope["MessageId"],
        "Content-Type": "text/plain; charset=UTF-8",
        **changes,
    }


def _source(certificates: Any = None, now: int = NOW, **settings: Any) -> SnsSource:
    return SnsSource(certificates or Recorded(), [TOPIC], lambda: now, **settings)


def _verify(envelope: Mapping[str, Any], source: SnsSource | None = None, **headers: str) -> Proved:
    body = msgspec.json.encode(envelope)
    return asyncio.run((source or _source()).verify(_headers(envelope, **headers), body))


def _refusal(check: Callable[[], object]) -> Why:
    """Why it was refused; and the caller has learnt nothing from the sentence."""
    with pytest.raises(EventRefused) as caught:
        check()
    assert str(caught.value) == (
        "This event does not prove where it comes from, so nothing of it was stored. "
        "The log of the instance names the check that failed."
    )
    return Why(str(caught.value.data["why"]))


def test_the_sample_comes_through() -> None:
    """Signed by SNS and wrapped twice in JSON, the published bounce yields its one event."""
    source, envelope = _source(), _envelope()
    proved = _verify(envelope, source)
    assert isinstance(proved, Notification)
    assert (proved.topic, proved.id, proved.at) == (TOPIC, envelope["MessageId"], NOW - MINUTE)
    (event,) = source.parse(proved)
    assert (event.kind, event.permanence) == (EventKind.BOUNCED, Permanence.PERMANENT)
    assert event.bounce_class is BounceClass.INVALID_RECIPIENT
    assert event.recipient == "bounce@simulator.amazonses.com"


def test_a_subject_is_signed_where_there_is_one() -> None:
    """SNS leaves the subject out of the canonical string where there is none, and null is none."""
    assert isinstance(_verify(_envelope(Subject="Amazon SES Email Event Notification")), Notification)
    assert isinstance(_verify(_envelope() | {"Subject": None}), Notification)
    assert _refusal(lambda: _verify(_envelope() | {"Subject": "smuggled in"})) is Why.SIGNATURE
    assert _refusal(lambda: _verify(_envelope(Subject="x") | {"Subject": "y"})) is Why.SIGNATURE


@pytest.mark.parametrize(
    ("type_", "wants"), [("SubscriptionConfirmation", "subscribe"), ("UnsubscribeConfirmation", "unsubscribe")]
)
def test_a_confirmation_is_only_a_value(type_: str, wants: str) -> None:
    """Topic and token are handed on; the address in it has no way out of the envelope."""
    proved = _verify(_envelope(**{**CONFIRMATION, "Type": type_}))
    assert isinstance(proved, Confirmation)
    assert (proved.topic, proved.token, proved.wants) == (TOPIC, "2336412f", wants)
    assert "169.254" not in repr(proved)


def test_a_confirmation_without_token_is_refused() -> None:
    """It could not be acted on."""
    assert _refusal(lambda: _verify(_envelope(**{**CONFIRMATION, "Token": None}))) is Why.FORM


def test_one_flipped_byte_is_refused() -> None:
    """In any signed field."""
    for field in ("Message", "MessageId", "Timestamp"):
        envelope = _envelope()
        last = envelope[field][:-2] + chr(ord(envelope[field][-2]) ^ 1) + envelope[field][-1:]
        assert _refusal(lambda e=envelope | {field: last}: _verify(e)) is Why.SIGNATURE, field  # type: ignore[misc]


def test_a_type_cannot_be_changed() -> None:
    """A notification is not passed off as a confirmation."""
    assert _refusal(lambda: _verify(_envelope() | CONFIRMATION)) is Why.SIGNATURE


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "AAAA\n", "署名", "A" * 5_000, "=" * 8])
def test_a_signature_that_is_none(signature: str) -> None:
    """Whatever stands in its place, it is refused as a signature."""
    assert _refusal(lambda: _verify(_envelope() | {"Signature": signature})) is Why.SIGNATURE


def test_a_signature_has_one_spelling() -> None:
    """The right one with something strewn in is refused: strict base64."""
    envelope = _envelope()
    assert _refusal(lambda: _verify(envelope | {"Signature": envelope["Signature"] + "\n"})) is Why.SIGNATURE


def test_another_key_is_refused() -> None:
    """Signed properly, by somebody else."""
    assert _refusal(lambda: _verify(_envelope(_key("theirs")))) is Why.SIGNATURE


@pytest.mark.parametrize("field", ["Signature", "SigningCertURL", "SignatureVersion", "TopicArn", "Message", "Type"])
def test_a_missing_field_is_refused(field: str) -> None:
    """Nothing is assumed for it."""
    body = msgspec.json.encode({name: value for name, value in _envelope().items() if name != field})
    assert _refusal(lambda: asyncio.run(_source().verify(_headers(_envelope()), body))) is Why.FORM


@pytest.mark.parametrize(
    "topic", [TOPIC + "x", TOPIC.replace("1234", "9999"), TOPIC.upper(), TOPIC + " ", "*", "", TOPIC + "\n"]
)
def test_another_topic_is_refused_before_any_look_up(topic: str) -> None:
    """Properly signed by AWS for somebody else's topic: refused, and no certificate was asked for."""
    certificates = Recorded()
    assert _refusal(lambda: _verify(_envelope(TopicArn=topic), _source(certificates))) is Why.TOPIC
    assert certificates.looked_up == []


def test_without_a_list_nobody_may_speak() -> None:
    """An instance that names no topic takes no event."""
    source = SnsSource(Recorded(), [], lambda: NOW)
    assert _refusal(lambda: _verify(_envelope(), source)) is Why.TOPIC


HOST_TRICKS = [
    AWS_URL.replace("https", "http"),
    AWS_URL.replace("ap-northeast-1", "us-east-1"),
    AWS_URL.replace("amazonaws.com/", "amazonaws.com.evil.example/"),
    AWS_URL.replace("amazonaws.com/", "amazonaws.com.cn/"),
    AWS_URL.replace("https://sns.", "https://evil.example/sns."),
    AWS_URL.replace("https://sns.", "https://sns.x."),
    AWS_URL.replace("https://", "https://user@"),
    AWS_URL.replace("https://", "https://evil.example#@"),
    AWS_URL.replace("https://", "https://evil.example\\@"),
    AWS_URL.replace(".com/", ".com:8443/"),
    AWS_URL.replace(".com/", ".com:443@evil.example/"),
    AWS_URL.replace(".com/", ".com/x/../"),
    AWS_URL.replace(".com/", ".com//"),
    AWS_URL.replace("SimpleNotificationService", "my-bucket/SimpleNotificationService"),
    AWS_URL.replace("0123", "%2e%2e"),
    AWS_URL.replace("sns.", "SNS."),
    AWS_URL.replace("sns.", "s3."),
    AWS_URL.replace("amazonaws", "amazоnaws"),  # a Cyrillic о
    AWS_URL.replace("0123", "０１２３"),
    AWS_URL + "?x=.pem",
    AWS_URL + "#.pem",
    AWS_URL + "\n",
    " " + AWS_URL,
    AWS_URL + ".txt",
    "file:///etc/ssl/SimpleNotificationService-00.pem",
    "http://169.254.169.254/SimpleNotificationService-00.pem",
    SIMULATOR_URL,
    "",
]


@pytest.mark.parametrize("url", HOST_TRICKS)
def test_a_certificate_from_elsewhere_is_never_looked_up(url: str) -> None:
    """The right key is not enough: the address must be AWS's, whole, in the topic's region."""
    certificates = Recorded()
    assert _refusal(lambda: _verify(_envelope(SigningCertURL=url), _source(certificates))) is Why.CERTIFICATE
    assert certificates.looked_up == []


def test_the_log_is_told_which_certificate_was_meant() -> None:
    """On one line, whatever stands there: whoever forgot `trust = "simulator"` sees what is wrong."""
    with pytest.raises(EventRefused) as caught:
        _verify(_envelope(SigningCertURL=f"{SIMULATOR_URL}\nERROR"), _source(Recorded()))
    assert caught.value.data["detail"] == f"{SIMULATOR_URL} ERROR may not vouch for {TOPIC}"
    assert SIMULATOR_URL not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "topic", "permitted"),
    [
        (AWS_URL, TOPIC, True),
        (AWS_URL.replace(".com/", ".com:443/"), TOPIC, True),
        (AWS_URL.replace("ap-northeast-1", "us-gov-west-1"), "arn:aws-us-gov:sns:us-gov-west-1:123456789012:t", True),
        (
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-00.pem",
            "arn:aws-cn:sns:cn-north-1:123456789012:t",
            True,
        ),
        (
            "https://sns.cn-north-1.amazonaws.com/SimpleNotificationService-00.pem",
            "arn:aws-cn:sns:cn-north-1:123456789012:t",
            False,
        ),
        (AWS_URL, TOPIC.replace(":sns:", ":sqs:"), False),
        (AWS_URL, "", False),
    ],
)
def test_where_aws_keeps_its_certificates(url: str, topic: str, permitted: bool) -> None:
    """One host for each region, with China's own ending."""
    assert is_aws_certificate(url, topic) is permitted


@pytest.mark.parametrize("header", ["X-Amz-Sns-Message-Type", "X-Amz-Sns-Topic-Arn", "X-Amz-Sns-Message-Id"])
def test_headers_and_body_must_agree(header: str) -> None:
    """A header that says otherwise, or is not there, is refused before a certificate is asked for."""
    certificates, envelope = Recorded(), _envelope()
    source = _source(certificates)
    assert _refusal(lambda: _verify(envelope, source, **{header: "other"})) is Why.HEADERS
    fewer = {name: value for name, value in _headers(envelope).items() if name != header}
    assert _refusal(lambda: asyncio.run(source.verify(fewer, msgspec.json.encode(envelope)))) is Why.HEADERS
    assert certificates.looked_up == []


@pytest.mark.parametrize(
    ("age", "passes"), [(0, True), (HOUR, True), (HOUR + 6 * MINUTE, False), (-HOUR, True), (-2 * HOUR, False)]
)
def test_an_old_post_is_refused(age: int, passes: bool) -> None:
    """SNS gives up after an hour; a replay of yesterday's post is not SNS. A clock an hour wrong loses nothing."""
    envelope = _envelope(Timestamp=_iso(NOW - age))
    if passes:
        assert isinstance(_verify(envelope), Notification)
    else:
        assert _refusal(lambda: _verify(envelope)) is Why.AGE


def test_the_age_is_a_setting() -> None:
    """Those with clocks they trust may be stricter."""
    envelope = _envelope(Timestamp=_iso(NOW - 20 * MINUTE))
    assert _refusal(lambda: _verify(envelope, _source(max_age_ms=10 * MINUTE))) is Why.AGE


@pytest.mark.parametrize("stamp", ["", "yesterday", "9999-99-99T00:00:00Z"])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    """Even when it is signed."""
    assert _refusal(lambda: _verify(_envelope(Timestamp=stamp))) is Why.FORM


def test_sha1_only_by_setting() -> None:
    """Signature version 1 passes where the operator allowed it, and then still has to be right."""
    assert _refusal(lambda: _verify(_envelope(version="1"))) is Why.VERSION
    assert isinstance(_verify(_envelope(version="1"), _source(allow_sha1=True)), Notification)
    forged = _envelope(_key("theirs"), version="1")
    assert _refusal(lambda: _verify(forged, _source(allow_sha1=True))) is Why.SIGNATURE
    swapped = _envelope(version="1") | {"SignatureVersion": "2"}
    assert _refusal(lambda: _verify(swapped, _source(allow_sha1=True))) is Why.SIGNATURE


@pytest.mark.parametrize("version", ["0", "3", "", "2 ", "SHA256"])
def test_unknown_signature_versions_are_refused(version: str) -> None:
    """Nothing weaker or newer is guessed."""
    assert _refusal(lambda: _verify(_envelope(version=version), _source(allow_sha1=True))) is Why.VERSION


def test_a_certificate_must_be_valid_and_rsa() -> None:
    """One that had ended when the event was signed, and one of another kind of key, vouch for nothing."""
    for certificate in (_certificate(days=-1), _certificate(curve=True)):
        source = _source(Recorded(certificate))
        assert _refusal(lambda s=source: _verify(_envelope(), s)) is Why.CERTIFICATE  # type: ignore[misc]


def test_a_certificate_that_cannot_be_had_is_no_refusal() -> None:
    """SNS must come again: a 403 would lose the event."""

    class Away(Recorded):
        async def get(self, url: str) -> x509.Certificate:
            raise CertificateUnavailable("No answer.")

    with pytest.raises(CertificateUnavailable):
        _verify(_envelope(), _source(Away()))


def test_a_raw_delivery_is_refused() -> None:
    """Without an envelope there is no proof, whatever the headers say."""
    headers = _headers(_envelope()) | {"X-Amz-Sns-Rawdelivery": "true"}
    assert _refusal(lambda: asyncio.run(_source().verify(headers, SAMPLE.encode()))) is Why.FORM


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"x" * (BODY_LIMIT + 1), Why.SIZE),
        (b"[" * BODY_LIMIT, Why.FORM),
        (b'{"a":' * (BODY_LIMIT // 5), Why.FORM),
        (b'{"Type":"Notification","Message":"\\ud800"}', Why.FORM),
        (b"", Why.FORM),
        (b"\x00\xff", Why.FORM),
    ],
)
def test_too_big_too_deep_or_no_json(body: bytes, why: Why) -> None:
    """A bomb costs a refusal."""
    assert _refusal(lambda: asyncio.run(_source().verify({}, body))) is why


def test_proved_but_unreadable_goes_to_quarantine() -> None:
    """It does come from the topic, so it is not refused; it is another error, with another end."""
    source = _source()
    proved = _verify(_envelope(Message="to be or not to be"), source)
    assert isinstance(proved, Notification)
    with pytest.raises(EventUnreadable):
        source.parse(proved)


def _simulator() -> SimulatorCertificates:
    return SimulatorCertificates(_pem(_certificate()))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_a_simulator_that_was_started_again_is_believed() -> None:
    """It has another key then, and has written its certificate again; a file half-written is a 503, and SNS comes
    again."""
    pem = _pem(_certificate())
    files = iter((pem[:100], b"", pem, pem))
    source = _source(SimulatorCertificates(_pem(_certificate(curve=True)), lambda: next(files)))
    envelope = _envelope(SigningCertURL="https://127.0.0.1:18081/SimpleNotificationService-00.pem")
    for _ in range(2):
        with pytest.raises(CertificateUnavailable):
            _verify(envelope, source)
    for _ in range(2):
        assert isinstance(_verify(envelope, source), Notification)


@pytest.mark.parametrize("host", ["127.0.0.1:18081", "localhost:18081", "[::1]:18081", "127.0.0.1"])
def test_the_simulator_is_believed_on_this_machine(host: str) -> None:
    """Its one certificate vouches for envelopes that name a loopback address."""
    envelope = _envelope(SigningCertURL=f"https://{host}/SimpleNotificationService-00.pem")
    assert isinstance(_verify(envelope, _source(_simulator())), Notification)


@pytest.mark.parametrize(
    "url",
    [
        AWS_URL,
        "https://127.0.0.1.evil.example/x.pem",
        "https://127.0.0.1@evil.example/x.pem",
        "https://localhost.evil.example/x.pem",
        "https://10.0.0.1/x.pem",
        "https://127.0.0.1:18081/x.pem?y=.pem",
        "https://127.0.0.1:18081/x.pem\n",
    ],
)
def test_the_simulator_is_believed_nowhere_else(url: str) -> None:
    """An instance left in test mode takes nothing from outside, not even AWS."""
    assert _refusal(lambda: _verify(_envelope(SigningCertURL=url), _source(_simulator()))) is Why.CERTIFICATE
    with pytest.raises(EventRefused):
        asyncio.run(_simulator().get(url))


@given(st.binary(max_size=300), st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3))
def test_any_post_is_refused_and_nothing_else(body: bytes, headers: dict[str, str]) -> None:
    """A stranger's bytes never fail in another way."""
    assert _refusal(lambda: asyncio.run(_source().verify(headers, body))) is Why.FORM


@settings(max_examples=60)
@given(st.sampled_from(sorted(_envelope())), st.text(max_size=30))
def test_any_changed_field_is_refused(field: str, value: str) -> None:
    """Every field of a real envelope replaced by anything; only what SNS does not sign may differ."""
    envelope = _envelope()
    if field == "UnsubscribeURL" or envelope[field] == value:
        assert isinstance(_verify(envelope | {field: value}), Notification)
    else:
        assert _refusal(lambda: _verify(envelope | {field: value})) in set(Why)
