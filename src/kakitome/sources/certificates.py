"""Which certificate may vouch for an SNS envelope, and where it comes from.

The envelope names the address of its certificate, so the envelope's author chooses it. Everything that makes this
harmless is here: the address must be of AWS's own form, in the topic's own region and partition, and is compared
whole against one expression instead of being taken apart by a URL parser that somebody else reads differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from cryptography import x509

from kakitome.core.errors import EventRefused, KakitomeError

# No userinfo, no other port, no query, no fragment, no second path segment: none of them has a place to stand.
_AWS: Final = re.compile(
    r"https://sns\.(?P<region>[a-z0-9-]{3,32})\.amazonaws\.com(?P<china>\.cn)?(?::443)?"
    r"/SimpleNotificationService-[0-9a-f]{1,64}\.pem"
)
_ARN: Final = re.compile(
    r"arn:(?P<partition>aws|aws-cn|aws-us-gov):sns:(?P<region>[a-z0-9-]{3,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}"
)
_LOOPBACK: Final = re.compile(
    r"https?://(?:127\.0\.0\.1|\[::1\]|localhost)(?::[0-9]{1,5})?/[A-Za-z0-9_./-]{0,128}\.pem"
)


class CertificateUnavailable(KakitomeError):
    """The certificate cannot be had now. HTTP answers 503, not 403: SNS then comes again."""

    slug = "certificate-unavailable"


class Certificates(Protocol):
    """A source of signing certificates. `SnsSource` asks `permits` first and `get` only after a yes."""

    def permits(self, url: str, topic: str) -> bool:
        """Whether `url` may name the certificate for `topic` (an ARN from the allow-list). No I/O; never raises."""
        ...

    async def get(self, url: str) -> x509.Certificate:
        """The certificate behind a permitted address; whoever implements this guarantees its chain and its name.

        Follows no redirects and keeps what it fetched: one event costs no connection of its own. Raises
        `EventRefused` for a certificate that is not SNS's and `CertificateUnavailable` where there is no answer.
        """
        ...


def is_aws_certificate(url: str, topic: str) -> bool:
    """Whether `url` is where AWS keeps the signing certificates of the region and partition that `topic` is in."""
    place, arn = _AWS.fullmatch(url), _ARN.fullmatch(topic)
    if place is None or arn is None:
        return False
    return place["region"] == arn["region"] and bool(place["china"]) == (arn["partition"] == "aws-cn")


def region_of_certificate(url: str) -> str | None:
    """The region in an address of AWS's form, `None` for any other."""
    place = _AWS.fullmatch(url)
    return place and place["region"]


class SimulatorCertificates:
    """The simulator's one certificate, given as PEM and never fetched, for envelopes that name a loopback address.

    It vouches for no other: an instance that was left in this mode believes nobody out there. A simulator makes a new
    key at each start; `again` reads what it wrote then.
    """

    def __init__(self, pem: bytes, again: Callable[[], bytes] | None = None) -> None:
        """Raises `ValueError` for what is no certificate."""
        self._pem = pem
        self._certificate = x509.load_pem_x509_certificate(pem)
        self._again = again

    def permits(self, url: str, topic: str) -> bool:
        return _LOOPBACK.fullmatch(url) is not None

    async def get(self, url: str) -> x509.Certificate:
        if not self.permits(url, ""):
            raise EventRefused("The simulator's certificate vouches for loopback addresses only.")
        if self._again is not None:
            self._renew(self._again)
        return self._certificate

    def _renew(self, again: Callable[[], bytes]) -> None:
        try:
            pem = again()
            if pem != self._pem:
                self._pem, self._certificate = pem, x509.load_pem_x509_certificate(pem)
        except (OSError, ValueError) as error:  # half written: SNS comes again
            raise CertificateUnavailable(f"The simulator's certificate cannot be read: {error}.") from error
