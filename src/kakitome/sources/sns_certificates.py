"""AWS's signing certificates: fetched, judged and kept.

Whoever posts to us names the certificate's address, and `certificates.is_aws_certificate` leaves him no choice but
AWS's own hosts in the topic's own region. Here the rest is done: it must be issued to SNS, and its chain must lead to
an authority that this machine trusts. SNS's files hold the certificate alone (seen of `us-east-1` and `af-south-1`), so
the issuer's comes from where the certificate says, if that is Amazon Trust Services; it is worth only what its own
signature is worth, which is why plain HTTP does no harm there (RFC 5280, 4.2.2.1).
"""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from kakitome.core.errors import EventRefused
from kakitome.sources.certificates import CertificateUnavailable, is_aws_certificate, region_of_certificate
from kakitome.sources.recent import Recent
from kakitome.sources.sns_envelope import Why, refused

Fetch = Callable[[str], Awaitable[bytes]]

KEPT: Final = 32
REFUSED_FOR_S: Final = 30.0
"""A refusal is remembered so long, so that its repetition costs no connection; AWS may put it right meanwhile."""
FETCHES_A_MINUTE: Final = 10
"""Who knows a topic of ours can name addresses at AWS without end: more connections than this nobody makes us open."""

_ISSUER: Final = re.compile(r"http://crt\.[a-z0-9]{1,32}\.amazontrust\.com/[a-z0-9]{1,32}\.(?:cer|crt)")


# Authorities by the book of the web. Of SNS's own certificate the name matters, and not how its extensions are set.
_LEAF: Final = ExtensionPolicy.permit_all().require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)


class AwsCertificates:
    """See `certificates.Certificates`. `now` gives milliseconds, `monotonic` seconds; `roots` are the authorities that
    are trusted instead of this machine's."""

    def __init__(
        self,
        fetch: Fetch,
        now: Callable[[], int],
        monotonic: Callable[[], float],
        roots: list[x509.Certificate] | None = None,
    ) -> None:
        self._fetch = fetch
        self._now = now
        self._roots = roots
        self._known = Recent[x509.Certificate](KEPT, REFUSED_FOR_S, FETCHES_A_MINUTE, monotonic)

    def permits(self, url: str, topic: str) -> bool:
        return is_aws_certificate(url, topic)

    async def get(self, url: str) -> x509.Certificate:
        region = region_of_certificate(url)
        if region is None:
            raise refusal("its address is not AWS's")
        return await self._known.get(url, lambda: self._judged(url, region))

    async def _judged(self, url: str, region: str) -> x509.Certificate:
        try:
            leaf, *others = x509.load_pem_x509_certificates(await self._fetch(url))
        except ValueError as error:
            raise refusal("it cannot be read") from error
        name = _issued_to(leaf, region)
        if not others:
            others = [await self._issuer(leaf)]
        self._verify(leaf, others, name)
        return leaf

    async def _issuer(self, leaf: x509.Certificate) -> x509.Certificate:
        address = next((url for url in _issuer_addresses(leaf) if _ISSUER.fullmatch(url)), None)
        if address is None:
            raise CertificateUnavailable(
                "SNS's certificate does not say where its issuer's is, or names no place of Amazon's, so the event was "
                "not taken.",
                "Take events out of an SQS queue: that needs no certificate.",
            )
        data = await self._fetch(address)
        try:
            return x509.load_der_x509_certificate(data) if data[:1] == b"0" else x509.load_pem_x509_certificate(data)
        except ValueError as error:
            raise refusal("its issuer's certificate cannot be read") from error

    def _verify(self, leaf: x509.Certificate, others: list[x509.Certificate], name: str) -> None:
        if self._roots is None:
            self._roots = trusted_here()
        moment = datetime.fromtimestamp(self._now() / 1000, UTC)
        policy = PolicyBuilder().store(Store(self._roots)).time(moment)
        policy = policy.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=_LEAF)
        try:
            policy.build_server_verifier(x509.DNSName(name)).verify(leaf, others)
        except VerificationError as error:
            raise refusal(f"no authority that this machine trusts vouches for it: {error}") from error


def refusal(detail: str) -> EventRefused:
    return refused(Why.CERTIFICATE, detail=detail)


def _issued_to(leaf: x509.Certificate, region: str) -> str:
    """The name of SNS that it carries: the common one, the region's, or the signing name of the newer regions."""
    ends = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    wanted = {f"sns.{region}.{ends}", f"sns-{region}.{ends}", f"sns-signing.{region}.{ends}"}
    if ends == "amazonaws.com":
        wanted.add("sns.amazonaws.com")
    if region.startswith("us-gov-"):
        wanted.add("sns-us-gov-west-1.amazonaws.com")  # both regions of GovCloud sign with it
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise refusal("it names nobody") from error
    ours = wanted & set(names.get_values_for_type(x509.DNSName))
    if not ours:
        raise refusal("it is not issued to SNS")
    return min(ours)


def _issuer_addresses(leaf: x509.Certificate) -> list[str]:
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [
        entry.access_location.value
        for entry in access
        if entry.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(entry.access_location, x509.UniformResourceIdentifier)
    ]


def trusted_here() -> list[x509.Certificate]:
    """The authorities of this machine. Raises `CertificateUnavailable` where it has none."""
    found = []
    for der in ssl.create_default_context().get_ca_certs(binary_form=True):
        with suppress(ValueError), warnings.catch_warnings():  # old authorities of odd form, none of them Amazon's
            warnings.simplefilter("ignore")
            found.append(x509.load_der_x509_certificate(der))
    if not found:
        raise CertificateUnavailable(
            "This machine trusts no certificate authority, so no event over HTTPS can be verified.",
            "Install the system's certificates (ca-certificates), or let SSL_CERT_FILE name a file of them.",
        )
    return found
