"""Intent before effect, also after a power cut: what the ledger said is in the ledger that is found afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from random import Random
from unittest import mock

import apsw

sys.path.insert(0, str(Path(__file__).parent))

from disk import Disk, recorded, write_image

from kakitome.core.lifecycle import Cause
from kakitome.core.message import NewMessage, Settlement, Submission
from kakitome.core.policy import Policy
from kakitome.ledgers.sqlite import connection
from kakitome.ledgers.sqlite.ledger import SqliteLedger

NOW = 1_790_000_000_000
IMAGES = 100 * int(os.environ.get("KAKITOME_FAULTS", "1"))
Promise = tuple[int, str, int]
"""After so many operations, a query of the ledger must give at least this."""


async def play(path: Path, disk: Disk) -> list[Promise]:
    """Hand in, claim and settle, and note after each answer what was promised by it."""
    ledger = SqliteLedger(path)
    promises: list[Promise] = []
    run = await ledger.runs.stream("booking", Policy(), NOW)
    for burst in range(1, 31):
        mails = tuple(NewMessage(f"u{burst}-{k}@example.com", 100 * burst + k) for k in range(5))
        (admitted,) = await ledger.messages.admit([Submission(run=run.id, messages=mails, content=b"{}")], NOW)
        assert not isinstance(admitted, Exception)
        promises.append((len(disk.log), "select count(*) from message", 5 * burst))
        claims = await ledger.messages.claim(admitted.messages, "w", "lane", NOW + 1_000, NOW)
        promises.append((len(disk.log), "select count(*) from attempt", 5 * burst))
        ends = [Settlement(id=c.id, fence=c.fence, cause=Cause.PROVIDER_ACCEPTED, provider_id="p") for c in claims]
        await ledger.messages.settle(ends, NOW)
        promises.append((len(disk.log), "select count(*) from message where state = 2", 5 * burst))
    await ledger.close()
    return promises


def broken_promises(folder: Path, disk: Disk, promises: list[Promise], seed: int) -> list[str]:
    """Cut the power at a random moment, open what is left, and ask."""
    random = Random(seed)
    moment = random.randrange(promises[0][0], len(disk.log))
    folder.mkdir()
    write_image(disk.image(moment, random), folder)
    db = apsw.Connection(str(folder / "ledger.db"))
    kept: dict[str, int] = {query: n for at, query, n in promises if at <= moment}
    broken = [str(row) for row in db.execute("pragma integrity_check") if row != ("ok",)]
    for query, n in kept.items():
        found = _ask(db, query)
        if found < n:
            broken.append(f"{query}: {found}, promised {n}")
    db.close()
    return broken


def _ask(db: apsw.Connection, query: str) -> int:
    try:
        return sum(int(str(n)) for (n,) in db.execute(query))
    except apsw.Error:
        return -1  # not even the table is there


def test_power_cuts(tmp_path: Path) -> None:
    """A hundred cuts; each finds everything that was acknowledged before it."""
    with recorded() as disk:
        promises = asyncio.run(play(tmp_path / "ledger.db", disk))
    for seed in range(IMAGES):
        assert broken_promises(tmp_path / f"image{seed}", disk, promises, seed) == []


def test_the_check_can_fail(tmp_path: Path) -> None:
    """The same with `synchronous=NORMAL`, as many run SQLite: promises are broken."""
    honest = connection.connect

    def forgetful(path: Path, *, read_only: bool = False) -> connection.Db:
        db = honest(path, read_only=read_only)
        db.pragma("synchronous", "normal")
        return db

    with recorded() as disk, mock.patch("kakitome.ledgers.sqlite.threads.connect", forgetful):
        promises = asyncio.run(play(tmp_path / "ledger.db", disk))
    assert any(broken_promises(tmp_path / f"image{seed}", disk, promises, seed) for seed in range(20))
