"""An authority for certificates as Amazon's looks from outside: a root, an issuer beneath it, and SNS's own, which says
where its issuer's is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

ISSUER_URL = "http://crt.r2m01.amazontrust.com/r2m01.cer"
NAME = "sns.amazonaws.com"
DAY = timedelta(days=1)


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begun(subject: str, issuer: str, now: int, days: int) -> x509.CertificateBuilder:
    """What all have; valid from ten days before `now` until `days` after."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    public, above = key(subject).public_key(), key(issuer).public_key()
    return (
        x509.CertificateBuilder(_name(issuer), _name(subject), public, x509.random_serial_number())
        .not_valid_before(moment - 10 * DAY)
        .not_valid_after(moment + days * DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False)
    )


def _authority(subject: str, issuer: str, now: int) -> x509.Certificate:
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    begun = _begun(subject, issuer, now, 3650).add_extension(x509.BasicConstraints(True, None), True)
    return begun.add_extension(usage, True).sign(key(issuer), hashes.SHA256())


def root(now: int, name: str = "root") -> x509.Certificate:
    return _authority(name, name, now)


def issuer(now: int, above: str = "root") -> x509.Certificate:
    return _authority("issuer", above, now)


def leaf(now: int, *names: str, days: int = 90, told: str | None = ISSUER_URL) -> x509.Certificate:
    """SNS's; `told` is where it says that its issuer's certificate is."""
    begun = _begun("sns", "issuer", now, days).add_extension(x509.BasicConstraints(False, None), True)
    begun = begun.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names or (NAME,)]), False)
    begun = begun.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    if told is not None:
        place = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(told))
        begun = begun.add_extension(x509.AuthorityInformationAccess([place]), False)
    return begun.sign(key("issuer"), hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
