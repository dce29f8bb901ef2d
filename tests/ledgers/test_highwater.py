"""A restored backup does not send again without an operator's word."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from kakitome.core.ids import MessageId
from kakitome.core.message import NewMessage, Submission
from kakitome.core.policy import Policy
from kakitome.ledgers.sqlite.ledger import SqliteLedger

NOW = 1_790_000_000_000


async def admit(ledger: SqliteLedger) -> MessageId:
    run = await ledger.runs.stream("booking", Policy(), NOW)
    submission = Submission(run=run.id, messages=(NewMessage("a@example.com", 1),), content=b"{}")
    (admitted,) = await ledger.messages.admit([submission], NOW)
    assert not isinstance(admitted, Exception)
    return admitted.messages[0]


async def claimed(ledger: SqliteLedger, id: MessageId) -> int:
    return len(await ledger.messages.claim([id], "w", "lane", NOW + 1_000, NOW))


def backed_up(path: Path) -> Path:
    copy = path.with_name("backup.db")
    shutil.copy(path, copy)
    return copy


def test_a_restored_ledger_is_held_until_somebody_releases_it(tmp_path: Path) -> None:
    """The pinned sequence: back up with one mail queued, send it, restore, look for work."""
    path = tmp_path / "ledger.db"

    async def play() -> None:
        ledger = SqliteLedger(path)
        id = await admit(ledger)
        await ledger.close()
        copy = backed_up(path)

        ledger = SqliteLedger(path)
        assert await ledger.held() is None
        assert await claimed(ledger, id) == 1
        await ledger.close()

        shutil.copy(copy, path)
        ledger = SqliteLedger(path)
        assert await ledger.held() is not None
        assert await ledger.runnable.runnable(NOW) == []
        assert await claimed(ledger, id) == 0
        await admit(ledger)  # what is handed in now is accepted all the same

        assert await ledger.release("ada", "compared with SES", NOW)
        assert await claimed(ledger, id) == 1
        await ledger.close()

    asyncio.run(play())


def test_the_hold_outlives_the_process(tmp_path: Path) -> None:
    """Opening a held ledger once more, with its journal grown past the high water, does not release it."""
    path = tmp_path / "ledger.db"

    async def play() -> None:
        ledger = SqliteLedger(path)
        id = await admit(ledger)
        await ledger.close()
        copy = backed_up(path)
        ledger = SqliteLedger(path)
        await claimed(ledger, id)
        await ledger.close()
        shutil.copy(copy, path)
        for _ in range(3):
            ledger = SqliteLedger(path)
            await admit(ledger)
            assert await claimed(ledger, id) == 0
            await ledger.close()

    asyncio.run(play())


def test_a_new_ledger_beside_an_old_high_water_is_free(tmp_path: Path) -> None:
    """Deleting the ledger and beginning anew is nobody's backup."""
    path = tmp_path / "ledger.db"

    async def play() -> None:
        ledger = SqliteLedger(path)
        await admit(ledger)
        await ledger.close()
        path.unlink()
        ledger = SqliteLedger(path)
        assert await ledger.held() is None
        assert await claimed(ledger, await admit(ledger)) == 1
        await ledger.close()

    asyncio.run(play())


def test_an_ordinary_restart_is_free(tmp_path: Path) -> None:
    """A ledger that knows all that was ever committed goes on."""

    async def play() -> None:
        for _ in range(3):
            ledger = SqliteLedger(tmp_path / "ledger.db")
            assert await ledger.held() is None
            assert await claimed(ledger, await admit(ledger)) == 1
            await ledger.close()

    asyncio.run(play())
