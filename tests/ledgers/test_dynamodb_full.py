"""Figures by domain and by link: there may be any number of either, and a document has an end."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from dynamo_rig import fresh
from kakitome.core.event import EventKind
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause
from kakitome.ledgers.dynamodb import counters
from kakitome.ledgers.dynamodb.counters import BETWEEN, OTHERS, Change, Room, figure_cell, others
from kakitome.ledgers.dynamodb.counters_kept import Counted, Counters, opened
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.marshal import written
from kakitome.ledgers.dynamodb.sizes import size
from kakitome.testing.ledger_world import World

LARGEST_ITEM = 400 * 1024


def test_links_that_each_have_a_token_of_their_own_fill_no_document() -> None:
    """Ten thousand clicks on as many links of one document: it is written, nothing is left out of the sum, and what it
    had before is still told by itself."""

    async def play() -> None:
        ledger, random = await DynamoLedger.open(fresh()), Random(7)
        try:
            kept: Counters = ledger.feed.counters
            doc = figure_cell(RunId(1), ("link", "https://example.jp/", "clicks")).doc
            links = [f"https://example.jp/{random.randbytes(60).hex()}" for _ in range(10_000)]
            for at in range(0, len(links), 1_000):
                cells = {counters.Cell(doc, f"{link}{BETWEEN}clicks"): 1 for link in links[at : at + 1_000]}
                await kept.take("shard", [Counted(str(at + 1), 0, Change(cells, {}))])
            item = await ledger.feed._desk.table.get(doc)
            assert item is not None and size(written(item)) < LARGEST_ITEM
            found = opened(item).cells
            assert sum(found.values()) == len(links)
            assert all(found[f"{link}{BETWEEN}clicks"] == 1 for link in links[:100])
            assert found[f"{OTHERS}{BETWEEN}clicks"] > 0
        finally:
            await ledger.close()

    asyncio.run(play())


def test_who_was_one_of_the_others_stays_so() -> None:
    """Names go, and there is room again: a document that was full tells nobody new, who may be less than nothing."""
    name = f"https://example.jp/{BETWEEN}clicks"
    assert Room({others(name): 0}).place({}, name) == others(name)
    assert Room({}).place({}, name) == name


def test_what_is_told_together_agrees_with_a_recount(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail to more domains than there is room for: the sums are right, a change of one of the others is one of theirs,
    the ledger verifies, and so it does when its counters are written anew."""
    monkeypatch.setattr(counters, "MOST_OCTETS", 40)
    monkeypatch.setattr(counters, "BUCKETS", 1)

    async def play() -> None:
        ledger = await DynamoLedger.open(fresh())
        try:
            w = World(ledger)
            run = await w.stream()
            claims = []
            for k in range(6):
                [claimed] = await w.claim(*await w.admit(f"a@domain{k}.jp", run=run))
                await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p{k}")
                await w.fold(w.event(EventKind.SENT, claimed))
                claims.append(claimed)
            for claimed in claims:
                await w.fold(w.event(EventKind.DELIVERED, claimed))
                figures = await ledger.figures.domains([run], 99)
                assert sum(one.heard for one in figures.values()) == 6
            assert OTHERS in figures and 1 < len(figures) < 6
            assert sum(one.delivered for one in figures.values()) == 6
            assert min(min(one.heard, one.delivered) for one in figures.values()) >= 0
            assert await ledger.reads.verify() == []
            [doc] = [figure_cell(run, ("domain", "x", "heard")).doc]
            await ledger.feed.counters.rewrite(doc, lambda cells: {**cells, f"{OTHERS}{BETWEEN}heard": 99})
            assert len(await ledger.reads.verify()) == 1
            assert (await ledger.recount(w.now)).written == 1
            assert await ledger.reads.verify() == []
            assert OTHERS in await ledger.figures.domains([run], 99)
        finally:
            await ledger.close()

    asyncio.run(play())
