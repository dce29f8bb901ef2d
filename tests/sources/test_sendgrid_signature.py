"""Only SendGrid's own posts are believed; its own helper judges what we take."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader

from kakitome.core.errors import ConfigurationError, EventRefused
from kakitome.sources.sendgrid_signature import BODY_LIMIT, OLDEST_MS, SendGridSignature, Why, public_key

NOW = 1_700_000_000_000
BODY = '[{"event":"delivered","email":"読者@example.com"}]\r\n'.encode()
OURS, OLD, FOREIGN = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


def shown(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    """The public key as SendGrid's settings show it."""
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(spki).decode()


def signed(body: bytes = BODY, at: int = NOW, key: ec.EllipticCurvePrivateKey = OURS) -> dict[str, str]:
    stamp = str(at // 1000)
    proof = base64.b64encode(key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    return {EventWebhookHeader.SIGNATURE: proof, EventWebhookHeader.TIMESTAMP: stamp}


def source(*keys: ec.EllipticCurvePrivateKey, now: int = NOW) -> SendGridSignature:
    return SendGridSignature([public_key(shown(key), "k") for key in keys or (OURS, OLD)], lambda: now)


def why(headers: dict[str, str], body: bytes = BODY, who: SendGridSignature | None = None) -> Why:
    with pytest.raises(EventRefused) as caught:
        (who or source()).verify(headers, body)
    found = caught.value.data["why"]
    assert isinstance(found, Why)
    return found


@pytest.mark.parametrize("key", [OURS, OLD])
def test_either_of_two_keys(key: ec.EllipticCurvePrivateKey) -> None:
    """So that one can be replaced while the other still signs; SendGrid's helper agrees."""
    headers = signed(key=key)
    assert source().verify(headers, BODY) == 0
    assert source().verify({name.lower(): value for name, value in headers.items()}, BODY) == 0
    assert EventWebhook(shown(key)).verify_signature(BODY.decode(), *headers.values())


def test_what_is_not_proved() -> None:
    """Another key, body, time or signature; nothing at all; nobody trusted."""
    good = signed()
    signature, stamp = good.values()
    assert why(signed(key=FOREIGN)) is Why.SIGNATURE
    assert why(good, BODY.rstrip()) is Why.SIGNATURE
    assert why(good | {EventWebhookHeader.TIMESTAMP: str(NOW // 1000 + 1)}) is Why.SIGNATURE
    assert why(good | {EventWebhookHeader.SIGNATURE: base64.b64encode(b"nonsense").decode()}) is Why.SIGNATURE
    for odd in ("", "é", "x" * 300, signature[:-1] + "!"):
        assert why(good | {EventWebhookHeader.SIGNATURE: odd}) is Why.HEADERS
    for odd in ("", "-1", "1e9", stamp + " ", "٣" * 10, "9" * 14):
        assert why(good | {EventWebhookHeader.TIMESTAMP: odd}) is Why.HEADERS
    assert why({}) is Why.HEADERS
    assert why(good, who=SendGridSignature([], lambda: NOW)) is Why.KEYS
    assert why(good, b"x" * (BODY_LIMIT + 1)) is Why.SIZE


def test_a_stamp_is_part_of_what_is_signed() -> None:
    """Moving a digit from the body to the stamp gives the same bytes, and is not taken for the same post's time."""
    headers = signed(b"5[]")
    moved = headers | {EventWebhookHeader.TIMESTAMP: headers[EventWebhookHeader.TIMESTAMP] + "5"}
    assert why(moved, b"[]") is Why.AGE


@pytest.mark.parametrize("way", [1, -1])
def test_age(way: int) -> None:
    """A repetition of a day ago is taken and its age told; beyond the limit neither past nor future is."""
    headers = signed()
    assert source(now=NOW + way * OLDEST_MS).verify(headers, BODY) == way * OLDEST_MS
    assert why(headers, who=source(now=NOW + way * (OLDEST_MS + 1))) is Why.AGE


def test_keys_are_taken_with_and_without_armour() -> None:
    """As the settings show them, with line ends, or as a PEM file."""
    pem = OURS.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for text in (shown(OURS), f" {shown(OURS)}\n", pem.decode()):
        assert public_key(text, "k") == OURS.public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "MFkw",
        "é",
        shown(rsa.generate_private_key(65537, 2048)),
        shown(ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_what_is_no_key_is_said_at_the_start(text: str) -> None:
    """With the setting, and without what stood there."""
    with pytest.raises(ConfigurationError) as caught:
        public_key(text, "events.sendgrid_keys")
    assert caught.value.data["key"] == "events.sendgrid_keys"
    assert not text or text not in str(caught.value)


@given(st.dictionaries(st.sampled_from([*signed()]), st.text(max_size=100)), st.binary(max_size=100))
def test_nothing_else_is_ever_raised(headers: dict[str, str], body: bytes) -> None:
    """Whatever a stranger sends."""
    with pytest.raises(EventRefused):
        source().verify(headers, body)
