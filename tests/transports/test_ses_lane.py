"""A lane of provider `ses`, from the configuration to its transport."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kakitome.app import opened
from kakitome.config import load
from kakitome.core.errors import ConfigurationError
from kakitome.ports.transport import Capabilities


def _file(folder: Path, *lines: str) -> Path:
    file = folder / "kakitome.toml"
    file.write_text("\n".join([f'[ledger]\nurl = "sqlite:///{folder}/ledger.db"', "[lanes.ses]", *lines]))
    return file


def _capabilities(file: Path) -> Capabilities:
    async def look() -> Capabilities:
        async with opened(load(file, {})) as instance:
            transport = instance.transport("ses")
            await transport.close()
            return transport.capabilities

    return asyncio.run(look())


def test_a_lane_to_ses(tmp_path: Path) -> None:
    """Sixteen places and a minute's patience, unless told otherwise; neither keys nor network are needed to make it."""
    usual = _capabilities(_file(tmp_path, 'provider = "ses"', 'region = "ap-northeast-1"'))
    assert usual == Capabilities(places=16, events=True, envelope_differs=True, raw=True, timeout=60.0, group=50)
    file = _file(tmp_path, 'provider = "ses"', 'region = "eu-west-1"', "connections = 3", 'timeout = "5s"')
    other = _capabilities(file)
    assert (other.places, other.timeout) == (3, 5.0)


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("region", ['endpoint = "https://127.0.0.1:18080"']),
        ("credentials", ['region = "eu-west-1"', 'credentials = "AKIAIOSFODNN7EXAMPLE:secret"']),
        ("credentials", ['region = "eu-west-1"', 'credentials = "aws:"']),
        ("endpoint", ['region = "eu-west-1"', 'endpoint = "http://proxy.example"']),
        ("endpoint", ['region = "eu-west-1"', 'endpoint = "127.0.0.1:18080"']),
        ("endpoint", ['region = "eu-west-1"', 'endpoint = "https://[::1"']),
    ],
)
def test_what_cannot_work_is_said_at_the_start(tmp_path: Path, key: str, lines: list[str]) -> None:
    """With the key's name, and without what stood there where that may be a secret."""
    with pytest.raises(ConfigurationError) as caught:
        load(_file(tmp_path, 'provider = "ses"', *lines), {})
    assert caught.value.data["key"] == f"lanes.ses.{key}"
    assert "secret" not in str(caught.value)


def test_a_path_does_not_make_a_host_loopback(tmp_path: Path) -> None:
    """Where events of the simulator are believed, every lane ends on this machine, whatever its address looks like."""
    lines = ['provider = "ses"', 'region = "eu-west-1"', 'endpoint = "https://ses.example//127.0.0.1:1"']
    with pytest.raises(ConfigurationError) as caught:
        load(_file(tmp_path, *lines, "[events]", 'trust = "simulator"'), {})
    assert caught.value.data["key"] == "events.trust"
