"""A lane of provider `sendgrid`, from the configuration to its transport."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kakitome.app import opened
from kakitome.config import account_of, load
from kakitome.core.errors import ConfigurationError
from kakitome.core.lane import Lane
from kakitome.core.policy import HOUR, MINUTE
from kakitome.ports.transport import Capabilities

PROVIDER = 'provider = "sendgrid"'
KEY = 'api_key = "env:SENDGRID_API_KEY"'


def _file(folder: Path, *lines: str) -> Path:
    file = folder / "kakitome.toml"
    file.write_text("\n".join([f'[ledger]\nurl = "sqlite:///{folder}/ledger.db"', "[lanes.sg]", PROVIDER, *lines]))
    return file


def _made(file: Path) -> tuple[Lane, Capabilities]:
    async def look() -> tuple[Lane, Capabilities]:
        async with opened(load(file, {})) as instance:
            transport = instance.transport("sg")
            await transport.close()
            return instance.lanes["sg"], transport.capabilities

    return asyncio.run(look())


def test_a_lane_to_sendgrid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen places, a minute's patience, an hour's horizon and provable, unless told otherwise; no rate of ours."""
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.key")
    lane, usual = _made(_file(tmp_path, KEY))
    assert usual == Capabilities(places=16, events=True, envelope_differs=False, raw=False, timeout=60.0)
    assert (lane.provable, lane.rate, lane.horizons.quiet, lane.horizons.deadline) == (True, None, HOUR, 4 * HOUR)
    lane, other = _made(_file(tmp_path, KEY, "connections = 3", 'timeout = "5s"', 'horizon = "2m"'))
    assert (other.places, other.timeout, lane.horizons.quiet) == (3, 5.0, 2 * MINUTE)


def test_everybodys_horizon_stays_for_the_others(tmp_path: Path) -> None:
    """`[evidence] horizon` is SES's; each lane may have its own."""
    more = ["[evidence]", 'horizon = "20m"', "[lanes.ses]", 'provider = "ses"', 'region = "eu-west-1"']

    async def look(*own: str) -> int:
        async with opened(load(_file(tmp_path, KEY, *more, *own), {})) as instance:
            assert instance.lanes["sg"].horizons.quiet == HOUR
            return instance.lanes["ses"].horizons.quiet

    assert asyncio.run(look()) == 20 * MINUTE
    assert asyncio.run(look('horizon = "5m"')) == 5 * MINUTE


def test_an_account_is_a_region_and_a_key(tmp_path: Path) -> None:
    """Lanes with the same key share one; the name does not show where the key is."""

    def name(*lines: str) -> str:
        return account_of("sg", load(_file(tmp_path, *lines), {}).lanes["sg"])

    assert name(KEY) == name(KEY, 'region = "global"', "connections = 2")
    assert name(KEY).startswith("sendgrid-global-") and "KEY" not in name(KEY)
    assert len({name(KEY), name(KEY, 'region = "eu"'), name('api_key = "file:/other"')}) == 3


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("api_key", []),
        ("api_key", ['api_key = "SG.hush"']),
        ("region", [KEY, 'region = "ap-northeast-1"']),
        ("endpoint", [KEY, 'endpoint = "http://proxy.example"']),
        ("horizon", [KEY, 'horizon = "soon"']),
    ],
)
def test_what_cannot_work_is_said_at_the_start(tmp_path: Path, key: str, lines: list[str]) -> None:
    """With the key's name, and without what stood there where that may be a secret."""
    with pytest.raises(ConfigurationError) as caught:
        load(_file(tmp_path, *lines), {})
    assert caught.value.data["key"] == f"lanes.sg.{key}"
    assert "hush" not in str(caught.value)


def test_the_keys_of_webhooks_are_references(tmp_path: Path) -> None:
    """In the file and in the environment, where a list has commas."""
    with pytest.raises(ConfigurationError) as caught:
        load(_file(tmp_path, KEY, "[events]", 'sendgrid_keys = ["MFkwEwYH"]'), {})
    assert caught.value.data["key"] == "events.sendgrid_keys"
    config = load(_file(tmp_path, KEY), {"KAKITOME_EVENTS__SENDGRID_KEYS": "env:NEW,env:OLD"})
    assert config.events.sendgrid_keys == ["env:NEW", "env:OLD"]


def test_where_the_simulator_is_believed_every_lane_ends_here(tmp_path: Path) -> None:
    """A lane to SendGrid itself is no exception."""
    trust = ["[events]", 'trust = "simulator"']
    with pytest.raises(ConfigurationError) as caught:
        load(_file(tmp_path, KEY, *trust), {})
    assert caught.value.data["key"] == "events.trust"
    assert load(_file(tmp_path, KEY, 'endpoint = "http://127.0.0.1:1"', *trust), {}).events.trust == "simulator"
