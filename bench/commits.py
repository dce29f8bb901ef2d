"""How many commits and claims does a list cost? A commit waits for the disk, so they are what a slow disk charges for.

A whole campaign at an unlimited rate: its import, the worker that sends it to the simulator over SMTP, the heartbeats.
Commits are counted by the ledger, claims by the journal.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from figure import Figure
from kakitome.app import opened
from kakitome.config import Config
from kakitome.core.lifecycle import Cause
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.records import Journal
from stage import campaign, configuration, simulator, work

ROWS = 10_000


def measure(folder: Path) -> list[Figure]:
    with simulator() as remote:
        commits, claims = asyncio.run(_campaign(configuration(folder, remote)))
        sent = remote.state()["recipients"]
    if sent != ROWS:
        raise RuntimeError(f"{sent} mails arrived of {ROWS}")
    note = f"{ROWS:,} mails over SMTP, import and heartbeats included"
    return [
        Figure(what="ledger commits per 1,000 mails of a list", measured=commits * 1_000 / ROWS, limit=20, note=note),
        Figure(what="claims per 1,000 mails of a list", measured=claims * 1_000 / ROWS, limit=10, note=note),
    ]


async def _campaign(config: Config) -> tuple[int, int]:
    async with opened(config) as instance:
        await work(instance, await campaign(instance, ROWS))
        assert isinstance(instance.ledger, SqliteLedger)
        return instance.ledger.commits, await _entries(instance.ledger.journal, Cause.CLAIMED)


async def _entries(journal: Journal, kind: str) -> int:
    after = found = 0
    while entries := await journal.read(after, 1_000):
        after, found = entries[-1].seq, found + sum(entry.kind == kind for entry in entries)
    return found
