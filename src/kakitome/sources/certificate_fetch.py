"""One small file over HTTP, and nothing else that HTTP could do: no redirect, no cookie, no proxy out of the
environment, little time, few bytes. Which addresses may be asked for is decided by who asks (`sns_certificates`)."""

from __future__ import annotations

from typing import Final

from kakitome.sources.certificates import CertificateUnavailable

SIZE_LIMIT: Final = 64 * 1024
"""Bytes; a certificate has two thousand, a chain of them six."""

TIME_LIMIT: Final = 5.0
"""Seconds for all of it. SNS waits 15 for our answer."""


async def fetch(url: str, time_limit: float = TIME_LIMIT) -> bytes:
    """What is behind `url`. TLS is verified against the system's authorities.

    Raises `CertificateUnavailable` for every other answer than 200 with at most `SIZE_LIMIT` bytes.
    """
    import aiohttp  # takes a tenth of a second, and only those who take events over HTTPS need it

    timeout = aiohttp.ClientTimeout(total=time_limit)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise _unavailable(url, f"the answer was {answer.status}")
            body = bytearray()
            async for part in answer.content.iter_any():
                body += part
                if len(body) > SIZE_LIMIT:
                    raise _unavailable(url, "the answer is no certificate by its size")
            return bytes(body)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise _unavailable(url, f"{type(error).__name__} {error}".strip()) from error


def _unavailable(url: str, why: str) -> CertificateUnavailable:
    return CertificateUnavailable(
        f"The certificate at {url} cannot be had now ({why}), so the event was not taken.",
        "SNS tries again for an hour. Let this machine reach the address, or take events out of an SQS queue, which "
        "needs no certificate.",
    )
