"""The table of providers is what the transports declare."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from documents import ROOT

from kakitome.app import opened
from kakitome.config import LaneTable, load
from kakitome.core.lane import Lane
from kakitome.ports.transport import Capabilities

DOCUMENT = ROOT / "docs" / "providers" / "README.md"
_ROW = re.compile(r"^\| `([\w-]+)` \| (yes|no) \| (yes|no) \| (yes|no) \| (\d+) \| (\d+) \| (\d+) s \|$", re.MULTILINE)
WAYS = {
    "ses": 'region = "us-east-1"',
    "ses-smtp": 'region = "us-east-1"',
    "sendgrid": 'api_key = "file:{folder}/key"',
    "smtp": 'host = "smtp.example.com"',
    "outbox": "",
}


def rows() -> dict[str, Capabilities]:
    return {
        name: Capabilities(
            events=events == "yes",
            envelope_differs=envelope == "yes",
            raw=raw == "yes",
            group=int(group),
            places=int(places),
            timeout=float(timeout),
        )
        for name, events, envelope, raw, group, places, timeout in _ROW.findall(DOCUMENT.read_text("utf-8"))
    }


def declared(folder: Path, provider: str) -> tuple[Lane, Capabilities]:
    (folder / "key").write_text("SG.key")
    file = folder / "kakitome.toml"
    lane = f'[lanes.way]\nprovider = "{provider}"\n{WAYS[provider].format(folder=folder)}\n'
    file.write_text(f'[ledger]\nurl = "sqlite:///{folder}/ledger.db"\n{lane}')

    async def look() -> tuple[Lane, Capabilities]:
        async with opened(load(file, {})) as instance:
            transport = instance.transport("way")
            await transport.close()
            return instance.lanes["way"], transport.capabilities

    return asyncio.run(look())


def test_every_provider_has_a_row() -> None:
    """And nothing else has."""
    assert set(rows()) == set(WAYS) == set(get_args(get_type_hints(LaneTable)["provider"]))


@pytest.mark.parametrize("provider", WAYS)
def test_the_row_is_true(provider: str, tmp_path: Path) -> None:
    """As a lane has it that sets nothing; and a lane can prove something where its transport says that events come."""
    lane, capabilities = declared(tmp_path, provider)
    assert rows()[provider] == capabilities
    assert lane.provable == capabilities.events
