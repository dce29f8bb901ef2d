"""Rows for a ledger without a file and without a template, where only the ledger is measured."""

from __future__ import annotations

import hashlib

from kakitome.core.ids import RunId
from kakitome.core.policy import Kind, Policy
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.ledger import Ledger
from kakitome.ports.records import TemplateVersion
from kakitome.ports.runs import ImportBatch, ImportRow

NOW = 1_700_000_000_000
RUNNING = NOW + 1_000
CHUNK = 5_000
"""Rows a batch, as `campaign.take_in` has them."""


def batch(first: int, rows: int = CHUNK) -> ImportBatch:
    """Rows as a list would bring them; their hashes are spread as real ones are."""
    made = tuple(
        ImportRow(
            k,
            f"reader.{k}@mail{k % 997}.example.jp",
            int.from_bytes(hashlib.blake2b(b"%d" % k, digest_size=8).digest(), "big", signed=True),
            f'{{"email":"reader.{k}@mail{k % 997}.example.jp","氏名":"髙橋 {k}","city":"東京","number":"{k * 7}"}}',
        )
        for k in range(first, first + rows)
    )
    return ImportBatch(first_line=first, next_line=first + rows, rows=made, invalid=0)


async def begin(ledger: Ledger, name: str, template: TemplateVersion | None = None) -> RunId:
    """A campaign whose list is about to come in."""
    policy, pinned = Policy(kind=Kind.BULK), template.id if template else None
    run = await ledger.runs.open(name, "letters", policy, pinned, b"{}", None, NOW)
    await ledger.runs.begin_import(run.id, name, NOW)
    return run.id


async def end(ledger: Ledger, run: RunId, name: str) -> None:
    """The list is in; the campaign runs."""
    await ledger.runs.seal(run, name, NOW)
    await ledger.runs.move(run, "running", "bench", NOW)


async def take_in(ledger: SqliteLedger, name: str, rows: int) -> RunId:
    run = await begin(ledger, name)
    for first in range(0, rows, CHUNK):
        await ledger.runs.append(run, name, batch(first, min(CHUNK, rows - first)), NOW, NOW)
    await end(ledger, run, name)
    return run
