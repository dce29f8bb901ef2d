"""DynamoDB is found where the SDK would look for it, with the SDK's keys, renewed in time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import trustme
from botocore.credentials import RefreshableCredentials

from dynamo_rig import REGION, SECRETS, emulated, fresh
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.sigv4 import Keys
from kakitome.hosts.clock import SystemClock
from kakitome.ledgers.dynamodb.access import LAST_CALL_S, Chain, proxy_to, way
from kakitome.ledgers.dynamodb.line import Line
from kakitome.ledgers.dynamodb.meter import Meter

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PLACES = [
    ("dynamodb", "ap-northeast-1", {}, "https://dynamodb.ap-northeast-1.amazonaws.com/"),
    ("dynamodbstreams", "ap-northeast-1", {}, "https://streams.dynamodb.ap-northeast-1.amazonaws.com/"),
    ("dynamodb", "cn-north-1", {}, "https://dynamodb.cn-north-1.amazonaws.com.cn/"),
    ("dynamodb", "us-east-1", {"AWS_USE_FIPS_ENDPOINT": "true"}, "https://dynamodb-fips.us-east-1.amazonaws.com/"),
    ("dynamodb", "us-east-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://dynamodb.us-east-1.api.aws/"),
    ("dynamodb", "us-east-1", {"AWS_ACCOUNT_ID": "123456789012"}, "https://123456789012.ddb.us-east-1.amazonaws.com/"),
    ("dynamodb", "us-east-1", {"AWS_ENDPOINT_URL": "http://far:8000"}, "http://far:8000/"),
    (
        "dynamodb",
        "us-east-1",
        {"AWS_ENDPOINT_URL": "http://far:8000", "AWS_ENDPOINT_URL_DYNAMODB": "http://near:8001/way"},
        "http://near:8001/way",
    ),
    ("dynamodbstreams", "us-east-1", {"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": "http://near:8001"}, "http://near:8001/"),
]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No profile, no machine's role."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    found = Keys("name", "secret", "token")
    for name, value in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"), found, strict=True):
        monkeypatch.setenv(f"AWS_{name}", str(value))
    return found


@pytest.mark.parametrize(
    ("service", "region", "told", "url"), PLACES, ids=[f"{p[1]}-{n}" for n, p in enumerate(PLACES)]
)
def test_it_is_where_the_sdk_would_ask(
    service: str, region: str, told: dict[str, str], url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By region, partition, account and what the environment says of endpoints; with the environment's keys."""
    for name, value in told.items():
        monkeypatch.setenv(name, value)

    async def run() -> None:
        found = await way(service, region, None, None)
        assert found.url == url
        assert await found.credentials.keys() == keys

    asyncio.run(run())


def test_a_table_and_its_stream_are_reached_by_the_environment(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said but the region: endpoint and keys come from outside, for both services."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulated())

    async def run() -> None:
        table = fresh()
        line = Line(REGION, None, SystemClock(), Random(1))
        streams = line.of_streams()
        try:
            arn = (await line.ask("describe_table", Meter(), TableName=table.name))["Table"]["LatestStreamArn"]
            told = await streams.ask("describe_stream", Meter(), StreamArn=arn)
            assert told["StreamDescription"]["Shards"]
        finally:
            await asyncio.gather(line.close(), streams.close(), table.close())

    asyncio.run(run())


def test_without_keys_nobody_is_asked_twice() -> None:
    """The end of the chain is told at once, in words that say what to set up."""

    async def run() -> None:
        line = Line(REGION, emulated(), SystemClock(), Random(1))
        with pytest.raises(LedgerUnavailable, match="set up a role, a profile or AWS_ACCESS_KEY_ID") as error:
            await line.ask("list_tables", Meter())
        assert error.value.data["code"] == "NoCredentialsError"
        assert "asked 1 times" in str(error.value)
        await line.close()

    asyncio.run(run())


def test_an_endpoint_and_keys_need_no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of emulated ledgers are opened without a session for each."""
    monkeypatch.setattr("kakitome.ledgers.dynamodb.access._found", None)

    async def run() -> None:
        found = await way("dynamodb", REGION, "http://here:1", SECRETS)
        assert (found.url, await found.credentials.keys()) == ("http://here:1", Keys(*SECRETS))

    asyncio.run(run())


class Role:
    """A role's keys by botocore's own renewal; each renewal waits until it is let."""

    def __init__(self) -> None:
        self.time = BEGIN
        self.may = threading.Event()
        self.renewed = 0
        first = self._keys("old")
        self.found = RefreshableCredentials(
            first["access_key"],
            first["secret_key"],
            first["token"],
            self._until(),
            self._renew,
            "role",
            lambda: self.time,
        )

    def _renew(self) -> dict[str, str]:
        assert self.may.wait(30)
        self.renewed += 1
        return self._keys("new")

    def _until(self) -> datetime:
        return self.time + timedelta(hours=1)

    def _keys(self, token: str) -> dict[str, str]:
        return {"access_key": "a", "secret_key": "s", "token": token, "expiry_time": self._until().isoformat()}


def test_keys_are_renewed_while_the_old_ones_last() -> None:
    """One asks for new ones ten minutes before the end; the others go on, until the last minute."""

    async def run() -> None:
        role = Role()
        chain = Chain(role.found)
        assert (await chain.keys()).token == "old"
        role.time += timedelta(minutes=50)
        first = asyncio.create_task(chain.keys())
        await asyncio.sleep(0)
        assert (await chain.keys()).token == "old"
        role.time = BEGIN + timedelta(hours=1, seconds=1 - LAST_CALL_S)
        last = asyncio.create_task(chain.keys())
        await asyncio.sleep(0)
        assert not first.done()
        assert not last.done()
        role.may.set()
        assert [found.token for found in await asyncio.gather(first, last)] == ["new", "new"]
        assert role.renewed == 1

    asyncio.run(run())


class Timeless(SystemClock):
    async def sleep(self, seconds: float) -> None:
        pass


@contextlib.asynccontextmanager
async def guarded(tls: ssl.SSLContext, heard: list[bytes]) -> AsyncIterator[Line]:
    """A line to a service over TLS, which has no tables."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 17\r\n\r\n" + b'{"TableNames":[]}')
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    line = Line(REGION, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", Timeless(), Random(1))
    try:
        yield line
    finally:
        await line.close()
        server.close()
        await server.wait_closed()


def test_the_authorities_that_are_named_are_trusted(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """AWS_CA_BUNDLE is for an endpoint of one's own; without it not a byte of a request goes out."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    heard: list[bytes] = []

    async def run() -> None:
        async with guarded(tls, heard) as line:
            with pytest.raises(LedgerUnavailable, match="ClientConnectorCertificateError"):
                await line.ask("list_tables", Meter())
        assert heard == []
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        async with guarded(tls, heard) as line:
            assert await line.ask("list_tables", Meter()) == {"TableNames": []}
        assert b"Credential=name/" in heard[0]

    asyncio.run(run())


def test_proxies_are_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the endpoint's scheme, and not for hosts that are excepted."""
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "near,127.0.0.1")
    assert proxy_to("https://far/") == "http://proxy:3128"
    assert proxy_to("https://near/") is None
