"""AWS's certificates: fetched from AWS only, believed only with chain and name, and not fetched again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from authority import ISSUER_URL, der, issuer, leaf, pem, root
from cryptography import x509

from kakitome.core.errors import EventRefused
from kakitome.sources.certificates import CertificateUnavailable
from kakitome.sources.sns_certificates import FETCHES_A_MINUTE, REFUSED_FOR_S, AwsCertificates, trusted_here

NOW = 1_700_000_000_000
TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:ses-bounces"
URL = "https://sns.ap-northeast-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"


class Web:
    """What is behind addresses, and which were asked for. `clock` is in seconds."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {URL: pem(leaf(NOW)), ISSUER_URL: der(issuer(NOW))} | pages
        self.asked: list[str] = []
        self.clock = 0.0

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        await asyncio.sleep(0)
        if url not in self.pages:
            raise CertificateUnavailable("Nobody there.")
        return self.pages[url]

    def certificates(self, roots: list[x509.Certificate] | None = None) -> AwsCertificates:
        trusted = [root(NOW)] if roots is None else roots
        return AwsCertificates(self.fetch, lambda: NOW, lambda: self.clock, trusted)

    def get(self, url: str = URL) -> x509.Certificate:
        return asyncio.run(self.certificates().get(url))


def test_a_certificate_of_sns_is_believed_with_its_chain() -> None:
    """Its issuer's is fetched from where it says; an authority that we trust vouches for that one."""
    web = Web()
    assert web.get() == leaf_of(web)
    assert web.asked == [URL, ISSUER_URL]


def leaf_of(web: Web) -> x509.Certificate:
    return x509.load_pem_x509_certificates(web.pages[URL])[0]


def test_a_chain_that_comes_along_is_not_fetched() -> None:
    """Whoever sends leaf and issuer together needs one connection."""
    web = Web(**{URL: pem(leaf(NOW), issuer(NOW))})
    assert web.get() == leaf_of(web)
    assert web.asked == [URL]


@pytest.mark.parametrize(
    "name",
    [
        "sns.amazonaws.com",
        "sns.ap-northeast-1.amazonaws.com",
        "sns-signing.ap-northeast-1.amazonaws.com",
        "sns-ap-northeast-1.amazonaws.com",
    ],
)
def test_names_that_sns_has(name: str) -> None:
    """The common name, the region's, and the signing name of the regions that one opts into."""
    assert Web(**{URL: pem(leaf(NOW, "other.example", name))}).get()


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (lambda: pem(leaf(NOW, "example.com")), "not issued to SNS"),
        (lambda: pem(leaf(NOW, "sns.us-east-1.amazonaws.com")), "not issued to SNS"),
        (lambda: pem(leaf(NOW, "sns.amazonaws.com.evil.example")), "not issued to SNS"),
        (lambda: pem(leaf(NOW, "*.amazonaws.com")), "not issued to SNS"),
        (lambda: pem(leaf(NOW, days=-1)), "no authority"),
        (lambda: pem(leaf(NOW), issuer(NOW, above="strangers")), "no authority"),
        (lambda: pem(root(NOW, "sns")), "names nobody"),
        (lambda: b"<html>", "cannot be read"),
        (lambda: b"", "cannot be read"),
    ],
)
def test_what_is_not_snss_is_refused(page: Callable[[], bytes], why: str) -> None:
    """Another's name, another authority, ended, or no certificate at all; the caller learns none of it."""
    with pytest.raises(EventRefused) as caught:
        Web(**{URL: page()}).get()
    assert why in str(caught.value.data["detail"])
    assert why not in str(caught.value)


@pytest.mark.parametrize(
    "told",
    [
        None,
        "http://169.254.169.254/latest/meta-data",
        "https://crt.r2m01.amazontrust.com.evil.example/r2m01.cer",
        "http://crt.r2m01.amazontrust.com/../r2m01.cer",
        "http://crt.r2m01.amazontrust.com:8080/r2m01.cer",
        "http://user@crt.r2m01.amazontrust.com/r2m01.cer",
    ],
)
def test_an_issuer_is_fetched_from_amazon_only(told: str | None) -> None:
    """An address inside a certificate is an address from outside, too."""
    web = Web(**{URL: pem(leaf(NOW, told=told))})
    with pytest.raises(CertificateUnavailable) as caught:
        web.get()
    assert web.asked == [URL]
    assert "SQS" in caught.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.ap-northeast-1.amazonaws.com.evil.example/SimpleNotificationService-00.pem",
        "https://sns.ap-northeast-1.amazonaws.com/SimpleNotificationService-00.pem?x=1",
        "http://sns.ap-northeast-1.amazonaws.com/SimpleNotificationService-00.pem",
        "http://127.0.0.1/SimpleNotificationService-00.pem",
        "",
    ],
)
def test_nothing_is_fetched_from_elsewhere(url: str) -> None:
    """Asked without `permits`, it still opens no connection."""
    web = Web()
    with pytest.raises(EventRefused):
        web.get(url)
    assert web.asked == []


def test_it_is_fetched_once_for_all() -> None:
    """Many events at the same moment, and all later ones, cost one fetch."""

    async def run() -> None:
        web = Web()
        certificates = web.certificates()
        found = await asyncio.gather(*(certificates.get(URL) for _ in range(20)))
        assert len({id(each) for each in [*found, await certificates.get(URL)]}) == 1
        assert web.asked == [URL, ISSUER_URL]

    asyncio.run(run())


def test_one_who_goes_away_does_not_take_it_from_the_others() -> None:
    """A caller that is cancelled leaves the fetch to whoever else waits."""

    async def run() -> None:
        web = Web()
        certificates = web.certificates()
        gone, waits = (asyncio.create_task(certificates.get(URL)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await waits == leaf_of(web)

    asyncio.run(run())


def test_a_refusal_is_kept_for_a_moment_and_an_absence_not_at_all() -> None:
    """Repeating a forged address costs nothing; what AWS put right, or a network that came back, is seen soon."""

    async def run() -> None:
        web = Web(**{URL: b"no"})
        certificates = web.certificates()
        for _ in range(3):
            with pytest.raises(EventRefused):
                await certificates.get(URL)
        assert web.asked == [URL]
        web.clock += REFUSED_FOR_S
        del web.pages[URL]
        with pytest.raises(CertificateUnavailable):
            await certificates.get(URL)
        web.pages[URL] = pem(leaf(NOW))
        assert await certificates.get(URL) == leaf_of(web)

    asyncio.run(run())


def test_nobody_makes_us_fetch_without_end() -> None:
    """Who knows our topic can name one address after the other; a minute's worth is fetched, and SNS comes again."""

    async def run() -> None:
        web = Web()
        certificates = web.certificates()
        await certificates.get(URL)
        for n in range(30):
            with pytest.raises(CertificateUnavailable):
                await certificates.get(URL.replace("0123", f"{n:04x}"))
        assert len(web.asked) == FETCHES_A_MINUTE + 1  # the first had its issuer's besides
        assert await certificates.get(URL), "what is known needs no fetch"
        web.clock += 61
        with pytest.raises(CertificateUnavailable, match="Nobody there"):
            await certificates.get(URL.replace("0123", "ffff"))

    asyncio.run(run())


def test_this_machines_authorities() -> None:
    """The system's own list is read, odd old authorities in it notwithstanding."""
    assert any("Amazon" in each.subject.rfc4514_string() for each in trusted_here())


def test_a_machine_without_authorities_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be believed then, and nothing is lost."""
    monkeypatch.setattr("ssl.SSLContext.get_ca_certs", lambda *_, **__: [])
    with pytest.raises(CertificateUnavailable, match="ca-certificates"):
        trusted_here()
