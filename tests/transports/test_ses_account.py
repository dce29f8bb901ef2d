"""What SES says it allows, as the simulator says it and as stranger far sides do."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from stages import FixedKeys, Serve, answer, serving

from kakitome.core.errors import ConfigurationError
from kakitome.core.outcome import Unavailability, Unavailable
from kakitome.core.reply import Reply
from kakitome.core.sigv4 import Keys
from kakitome.hosts.clock import SystemClock
from kakitome.ports.limits import AccountLimits, LimitsUnread
from kakitome.transports import ses_account
from kakitome.transports.opening import Unreached
from kakitome.transports.ses import SesSettings
from kakitome.transports.ses_account import SesAccount
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote


@pytest.fixture(scope="module")
def provider() -> Iterator[Remote]:
    with running("--rate", "14", "--quota", "200") as remote:
        yield remote


def source(endpoint: str, keys: FixedKeys | None = None, ca: str | None = None) -> SesAccount:
    settings = SesSettings(region="us-east-1", endpoint=endpoint, ca=ca)
    return SesAccount("tokyo", settings, keys or FixedKeys(), SystemClock())


def said(send_quota: dict[str, float] | None = None, **others: Any) -> bytes:
    usual = {"MaxSendRate": 14.0, "Max24HourSend": 200.0, "SentLast24Hours": 3.0}
    return json.dumps({"SendQuota": usual if send_quota is None else usual | send_quota, **others}).encode()


class Answering:
    """A server that answers each request with the same bytes, b"" for a closed connection; `heads` are what came."""

    def __init__(self, words: bytes) -> None:
        self._words = words
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if not self._words:
                return
            writer.write(self._words)


def read(serve: Serve, keys: FixedKeys | None = None) -> AccountLimits:
    async def run() -> AccountLimits:
        async with serving(serve) as port:
            return await source(f"http://127.0.0.1:{port}", keys).read()

    return asyncio.run(run())


def figures(body: bytes) -> AccountLimits:
    return read(Answering(answer(body)))


def refusal(words: bytes, keys: FixedKeys | None = None) -> str:
    with pytest.raises(LimitsUnread) as caught:
        read(Answering(words), keys)
    assert caught.value.data["account"] == "tokyo"
    assert "[accounts.tokyo]" in caught.value.remedy
    return str(caught.value)


# ── What is said ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_figures_of_the_account(provider: Remote) -> None:
    """Rate, quota, what was sent; and a change is seen by the next look, with the same source."""

    async def run() -> list[AccountLimits]:
        account = source(provider.url)
        first = await account.read()
        provider.limit(rate=50, quota=None, sandbox=True, suspended=True)
        return [first, await account.read()]

    first, second = asyncio.run(run())
    assert (first.rate, first.quota, first.used, first.sandbox, first.sending_enabled) == (14.0, 200, 0, False, True)
    assert (second.rate, second.sandbox, second.sending_enabled) == (50.0, True, False)
    assert 0 <= second.read_at - first.read_at < 60_000


def test_unlimited_is_minus_one() -> None:
    """As AWS writes it."""
    assert figures(said({"Max24HourSend": -1.0})).quota is None


def test_more_may_be_sent_than_the_maximum() -> None:
    """431 of 200, as somebody has seen it: both are kept as they are."""
    found = figures(said({"SentLast24Hours": 431.0}))
    assert (found.used, found.quota) == (431, 200)


def test_parts_of_a_recipient_are_counted_against_us() -> None:
    """The figures are floating-point numbers: what was sent is rounded up, what may be sent is rounded down."""
    found = figures(said({"SentLast24Hours": 3.2, "Max24HourSend": 200.9, "MaxSendRate": 0.5}))
    assert (found.used, found.quota, found.rate) == (4, 200, 0.5)


def test_what_is_not_said_stops_nothing() -> None:
    """Neither sandbox nor stop without a word of the provider."""
    found = figures(json.dumps({"SendQuota": {"MaxSendRate": 14, "Max24HourSend": 200}}).encode())
    assert (found.used, found.sandbox, found.sending_enabled) == (None, False, True)


def test_a_rate_of_nothing_is_sending_switched_off() -> None:
    """It is no pace that anybody could keep."""
    found = figures(said({"MaxSendRate": 0.0}))
    assert (found.rate, found.sending_enabled) == (None, False)


# ── How it is asked ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_request() -> None:
    """A signed GET without a body; the endpoint's own path stays in front."""
    server = Answering(answer(said()))

    async def run() -> None:
        async with serving(server) as port:
            await source(f"http://127.0.0.1:{port}/proxy/").read()

    asyncio.run(run())
    head = server.heads[0].decode().lower()
    assert head.startswith("get /proxy/v2/email/account http/1.1\r\n")
    assert "authorization: aws4-hmac-sha256 credential=akia" in head
    assert "signedheaders=content-type;host;x-amz-date;x-amz-security-token" in head
    assert head.count("content-length: 0") == 1


@pytest.mark.parametrize("words", [b"", answer(b"{}", "500 Internal Server Error"), answer(b"{}", "429 Slow Down")])
def test_it_is_asked_once(words: bytes) -> None:
    """Nothing is repeated: the next look is a minute later."""
    server = Answering(words)
    with pytest.raises(LimitsUnread):
        read(server)
    assert len(server.heads) == 1


def test_a_redirection_is_not_followed() -> None:
    """The signature is for this host, and nobody else is told it."""
    server = Answering(answer(b"", "307 Elsewhere", "Location: /v2/email/account"))
    with pytest.raises(LimitsUnread, match="307"):
        read(server)
    assert len(server.heads) == 1


def test_the_certificate_is_verified(tmp_path: Path) -> None:
    """A stranger's is an error, one of an authority that we were told of is none."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))

    async def run(ca: str | None) -> AccountLimits:
        async with serving(Answering(answer(said())), context) as port:
            return await source(f"https://127.0.0.1:{port}", ca=ca).read()

    assert asyncio.run(run(str(ca))).rate == 14.0
    with pytest.raises(LimitsUnread, match=r"(?i)certificate"):
        asyncio.run(run(None))
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem"):
        asyncio.run(run(str(tmp_path / "nowhere.pem")))


# ── What cannot be read ─────────────────────────────────────────────────────────────────────────────────────────────


def test_keys_that_may_not_ask() -> None:
    """Sending is one permission and reading the account another: the answer says which one is missing."""
    body = b'{"message":"User: arn:aws:iam::1:user/x is not authorized to perform: ses:GetAccount"}'
    keys = FixedKeys()
    told = refusal(answer(body, "403 Forbidden", "x-amzn-ErrorType: AccessDeniedException:https://x"), keys)
    assert "SES answered 403, AccessDeniedException: User: arn:aws:iam::1:user/x" in told
    assert "Allow its keys ses:GetAccount" in told
    assert keys.forgotten == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (answer(b"<html>Proxy</html>", "502 Bad Gateway"), "502, an error: <html>Proxy</html>"),
        (answer(b"[1]", "500 Oh"), "500, an error: [1]"),
        (answer(b"<html>Welcome to the hotel's network</html>"), "not what SES says"),
        (answer(b"\xff"), "not what SES says"),
        (answer(b"{}"), "SendQuota"),
        (answer(b'{"SendQuota":{"MaxSendRate":"14"}}'), "MaxSendRate"),
        (b"no HTTP at all\r\n\r\n", "no whole answer"),
    ],
)
def test_an_answer_that_is_none(words: bytes, says: str) -> None:
    """Proxies and portals answer too; nothing of theirs is taken for a limit."""
    assert says in refusal(words)


def test_nobody_listens() -> None:
    """The error names the trouble."""

    async def run() -> None:
        async with serving(Answering(b"")) as port:
            pass
        await source(f"http://127.0.0.1:{port}").read()

    with pytest.raises(LimitsUnread, match=r"ConnectionRefusedError"):
        asyncio.run(run())


def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A far side that never answers is given up, and the connection with it."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    monkeypatch.setattr(ses_account, "PATIENCE", 0.05)
    with pytest.raises(LimitsUnread, match="no answer"):
        read(silent)


def test_no_keys() -> None:
    """The chain that ends without any says so."""

    class NoKeys(FixedKeys):
        async def keys(self) -> Keys:
            raise Unreached(Unavailable(Unavailability.CREDENTIALS, Reply(code=0, text="No AWS credentials anywhere.")))

    with pytest.raises(LimitsUnread, match=r"No AWS credentials anywhere\."):
        asyncio.run(source("http://127.0.0.1:9", NoKeys()).read())
