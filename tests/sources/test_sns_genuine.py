"""What Amazon SNS really signed and was really issued: two messages published with AWS's SDK for Ruby, and certificates
as they stood at their addresses."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from kakitome.core.errors import EventRefused
from kakitome.sources.certificates import CertificateUnavailable, is_aws_certificate
from kakitome.sources.sns import Notification, SnsSource
from kakitome.sources.sns_certificates import AwsCertificates

FOLDER = Path(__file__).parents[1] / "samples" / "events" / "sns"
PEM = (FOLDER / "certificate.pem").read_bytes()
JULY_2022, OCTOBER_2026 = 1_659_043_440_000, 1_790_900_000_000
YEAR = 365 * 86_400_000
SIGNED = [json.loads((FOLDER / f"version-{n}.json").read_text()) for n in (1, 2)]


class Published:
    """The certificate as it was published, its chain taken for granted: its issuer's is not among what was."""

    def permits(self, url: str, topic: str) -> bool:
        return is_aws_certificate(url, topic)

    async def get(self, url: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(PEM)


def verified(envelope: dict[str, Any]) -> Any:
    source = SnsSource(Published(), [each["TopicArn"] for each in SIGNED], lambda: JULY_2022, allow_sha1=True)
    headers = {
        "x-amz-sns-message-type": envelope["Type"],
        "x-amz-sns-topic-arn": envelope["TopicArn"],
        "x-amz-sns-message-id": envelope["MessageId"],
    }
    return asyncio.run(source.verify(headers, json.dumps(envelope).encode()))


@pytest.mark.parametrize("envelope", SIGNED, ids=["SHA-1", "SHA-256"])
def test_amazons_own_signatures_hold(envelope: dict[str, Any]) -> None:
    """The string that we say is signed is the one that Amazon signs, in both versions; a changed letter is not."""
    said = verified(envelope)
    assert isinstance(said, Notification) and said.message == "Hello world"
    with pytest.raises(EventRefused):
        verified(envelope | {"Message": "Hello World"})


def test_amazons_own_certificate_is_issued_to_sns() -> None:
    """Its name passes, and its issuer's is looked for where it says, at Amazon."""
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        if len(asked) > 1:
            raise CertificateUnavailable("Far enough.")
        return PEM

    url = SIGNED[0]["SigningCertURL"]
    certificates = AwsCertificates(fetch, lambda: JULY_2022, lambda: 0.0, [])
    with pytest.raises(CertificateUnavailable, match="Far enough"):
        asyncio.run(certificates.get(url))
    assert asked == [url, "http://crt.sca1b.amazontrust.com/sca1b.crt"]


def test_amazons_own_chain_holds() -> None:
    """The certificate of a newer region in 2026 and its issuer's, under the root that this machine has; a year later it
    has ended, and no other region may use it."""
    issuer = "http://crt.r2m01.amazontrust.com/r2m01.cer"

    async def fetch(url: str) -> bytes:
        return (FOLDER / ("amazon-rsa-2048-m01.pem" if url == issuer else "af-south-1.pem")).read_bytes()

    def got(region: str, now: int) -> x509.Certificate:
        url = f"https://sns.{region}.amazonaws.com/SimpleNotificationService-5416b31fae4efe3bce5b30212490f0b5.pem"
        return asyncio.run(AwsCertificates(fetch, lambda: now, lambda: 0.0).get(url))

    assert "af-south-1" in got("af-south-1", OCTOBER_2026).subject.rfc4514_string()
    for region, now in (("af-south-1", OCTOBER_2026 + YEAR), ("eu-west-1", OCTOBER_2026)):
        with pytest.raises(EventRefused):
            got(region, now)
