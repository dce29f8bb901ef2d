"""What goes on beside a worker whose ledger is in DynamoDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from dynamo_rig import REGION, asked, emulated
from emulator import KEYS
from kakitome.app import Instance, opened
from kakitome.config import Config, LaneTable, LedgerTable
from kakitome.ledgers.dynamodb import schema
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.testing.ledger_world import World

PATIENCE = 30.0


@asynccontextmanager
async def instance(folder: Path, feed: Literal["reader", "elsewhere"]) -> AsyncIterator[Instance]:
    url = f"dynamodb://{folder.name}?region={REGION}&endpoint={emulated()}"
    ledger = LedgerTable(url=url, folder=str(folder), feed=feed)
    async with opened(Config(ledger=ledger, lanes={"outbox": LaneTable(provider="outbox")})) as one:
        yield one


def test_the_stream_is_read_beside_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks for a counter, and they come up to date all the same; where the stream is read elsewhere, it is not
    read here."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    asked("CreateTable", **schema.definition(tmp_path.name))

    async def play() -> None:
        async with instance(tmp_path, "reader") as reads, instance(tmp_path, "elsewhere") as looks:
            assert isinstance(looks.ledger, DynamoLedger)
            w = World(looks.ledger)
            run = await w.stream()
            await w.admit("a@example.jp", run=run)
            assert (await looks.ledger.reads.rows(run))["queued"] == 0
            assert len(looks.beside()) == len(reads.beside()) - 1
            working = asyncio.create_task(reads.beside()[-1]())
            async with asyncio.timeout(PATIENCE):
                while (await looks.ledger.reads.rows(run))["queued"] == 0:
                    assert not working.done()
                    await asyncio.sleep(0.02)  # between two looks at a condition
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    asyncio.run(play())
    asked("DeleteTable", TableName=tmp_path.name)
