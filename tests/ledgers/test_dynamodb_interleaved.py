"""Several processes at once, each of which may stand still, die, or hear nothing of what it wrote: whatever they do to
the rows of a campaign, no claim is two workers', nothing is lost, and the counters and the journal say what the rows
say. Whoever comes after them brings everything to its end.

A long campaign: `KAKITOME_DIFFERENTIAL=20` makes it twenty times as many walks.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from dealt_table import DealtTable, Killed, Things

from kakitome.core.errors import LedgerUnavailable, StateError
from kakitome.core.ids import Fence, MessageId, RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Claimed
from kakitome.ledgers.dynamodb import counters, keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.journal_chain import told_by
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.reads_walk import rows as all_rows
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import DAY, HOUR, LEASE, MINUTE, World, hashed

LENGTH = int(os.environ.get("KAKITOME_DIFFERENTIAL", "0"))
SEEDS = range(12 * max(1, LENGTH))
PROCESSES, STEPS = 4, 30
LISTS = {"map-2" if k == 5 else "map-1" if k == 1 else f"list-{k}": range(4 * k, 4 * k + 6) for k in range(8)}


class Walk:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.things = Things()
        self.trouble = self.random.choice((0.004, 0.02, 0.06))
        self.held: list[Claimed] = []
        self.given: Counter[tuple[MessageId, Fence]] = Counter()
        self.now = 0
        self.run = RunId(0)

    def process(self, trouble: float) -> tuple[World, DealtTable]:
        table = DealtTable(self.things, self.random, trouble)
        any_table: Any = table
        desk = Desk(any_table, bytes(32), lambda: self.random.randbytes(8))
        desk.home._is_at_home = True
        ledger = DynamoLedger(desk)
        ledger.runs._sent = _none
        ledger.rows._count = _none
        w = World(ledger)
        w.now = max(self.now, w.now)
        return w, table

    async def whole(self) -> None:
        w, _ = self.process(0)
        self.now = w.now
        self.run = await w.open(expires=self.random.choice((None, w.now + 40 * MINUTE)))
        await self.arrives(w, "w0")
        await w.move(self.run, "running")
        for k in range(PROCESSES):
            await w.begin(f"w{k}")
        await asyncio.gather(*(self.works(k) for k in range(PROCESSES)))
        await self.ends()

    async def works(self, k: int) -> None:
        w, table = self.process(self.trouble)
        for _ in range(STEPS):
            self.now += self.random.choice((0, 0, 1000, MINUTE))
            w.now = self.now + self.random.choice((0, 0, 0, 0, -HOUR, HOUR))
            step = self.random.choice(_STEPS)
            with suppress(LedgerUnavailable, StateError, Killed):
                await step(self, w, f"w{k}")
            if table.is_dead or self.random.random() < 0.03:
                w, table = self.process(self.trouble)

    # ── What they do ────────────────────────────────────────────────────────────────────────────────────────────────

    async def claims(self, w: World, worker: str) -> None:
        ids = await w.ledger.messages.due(self.run, self.random.choice((1, 3, 9)), w.now)
        await self.stands_still()
        claims = await w.claim(*ids, worker=worker)
        self.given.update((claimed.id, claimed.fence) for claimed in claims)
        self.held += claims

    async def settles(self, w: World, worker: str) -> None:
        mine = [self.held.pop(self.random.randrange(len(self.held))) for _ in range(min(2, len(self.held)))]
        refused = await w.check(*mine)
        await self.stands_still()
        for claimed in mine:
            cause = refused.get(claimed.id) or self.random.choice(
                (Cause.PROVIDER_ACCEPTED, Cause.PROVIDER_ACCEPTED, Cause.DEFERRED, Cause.RELEASED)
            )
            with suppress(LedgerUnavailable):
                await w.settle(claimed, cause, due=w.now)

    async def arrives(self, w: World, worker: str) -> None:
        """Lists one after the other, by whoever is there; some come in rows."""
        imports = (await _desk(w).cases.get(self.run)).imports
        digest = next((one.digest for one in imports if not one.sealed), None)
        if digest is None:
            known = {one.digest for one in imports}
            digest = next((one for one in LISTS if one not in known), None)
        if digest is None:
            return
        people = [f"{k}@example.jp" for k in LISTS[digest]]
        if not digest.startswith("map"):
            line = (await w.ledger.runs.begin_import(self.run, digest, w.now)).next_line
            while line < len(people):
                line = await w.append(self.run, digest, *people[line : line + 3], first=line)
            await w.ledger.runs.seal(self.run, digest, w.now)
            return
        await w.ledger.rows.expect(self.run, digest, len(people), w.now)
        lines = self.random.sample(range(len(people)), self.random.choice((1, 2, 4, len(people))))
        rows = [ImportRow(k, people[k], hashed(people[k]), "{}") for k in lines]
        claiming = self.random.choice((None, Claiming(worker, "ses", w.now + LEASE)))
        taken = await w.ledger.rows.take(self.run, digest, rows, claiming, w.now, w.now)
        self.given.update((claimed.id, claimed.fence) for claimed in taken.claims)
        self.held += taken.claims
        await w.ledger.rows.close(self.run, digest, w.now)

    async def drains(self, w: World, worker: str) -> None:
        """So that a page has nothing left, and its next note is another one."""
        ids = await w.ledger.messages.due(self.run, 99, w.now)
        claims = await w.claim(*ids, worker=worker)
        self.given.update((claimed.id, claimed.fence) for claimed in claims)
        claims, self.held = [*claims, *self.held], []
        for claimed in claims:
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED)
        await w.ledger.messages.due(self.run, 99, w.now)
        await self.arrives(w, worker)

    async def cancels(self, w: World, worker: str) -> None:
        ids = self.known()
        await w.ledger.messages.cancel(self.random.sample(ids, min(2, len(ids))), "aya", w.now)

    async def looks(self, w: World, worker: str) -> None:
        """And remembers."""
        await w.ledger.messages.due(self.run, 99, w.now)
        await w.ledger.reads.messages(self.known())

    async def sweeps(self, w: World, worker: str) -> None:
        await w.ledger.sweeps.lease_over(9, w.now)
        await w.ledger.sweeps.expire(9, w.now)

    async def reaps(self, w: World, worker: str) -> None:
        await w.ledger.workers.reap(self.random.choice(("w0", "w1")), None, w.now)

    async def resolves(self, w: World, worker: str) -> None:
        ids = self.random.sample(self.known(), min(3, len(self.known())))
        await w.ledger.messages.resolve(ids, Cause.PERSON_RESEND, "aya", "", w.now)

    async def stands_still(self) -> None:
        for _ in range(self.random.choice((0, 0, 0, 300, 1500))):
            await asyncio.sleep(0)

    def known(self) -> list[MessageId]:
        return sorted(MessageId(keys.number_of(key.sk)) for key in self.things.items if key.pk[:1] == "c")

    # ── What must be so ─────────────────────────────────────────────────────────────────────────────────────────────

    async def ends(self) -> None:
        w, _ = self.process(0)
        await self.agrees(w)
        while any(not one.sealed for one in (await _desk(w).cases.get(self.run)).imports):
            await self.arrives(w, "last")
        w.now = self.now + DAY
        await w.ledger.sweeps.lease_over(999, w.now)
        await w.ledger.sweeps.expire(999, w.now)
        for _ in range(3):
            for claimed in await w.claim(*await w.ledger.messages.due(self.run, 999, w.now), worker="last"):
                self.given[claimed.id, claimed.fence] += 1
                await w.settle(claimed, Cause.PROVIDER_ACCEPTED)
        states = Counter([view.state for view in await w.ledger.reads.messages(self.known())])
        assert states[State.QUEUED] == states[State.SENDING] == 0, states
        assert max(self.given.values()) == 1, "two have one claim"
        assert await w.ledger.messages.due(self.run, 999, w.now) == []
        await self.agrees(w)
        tries = {(one.message, one.fence): one for one in await w.ledger.reads.attempts(self.known())}
        assert self.given.keys() <= tries.keys()

    async def agrees(self, w: World) -> None:
        """The stream, as it is counted and told, and the rows."""
        counted: Counter[Any] = Counter()
        claimed: Counter[int] = Counter()
        for old, new in self.things.stream:
            counted.update(counters.change(old, new).sums)
            for told in told_by(new):
                if told.entry.kind in (Cause.CLAIMED, Cause.ADMITTED_WITH_CLAIM) and told.id is not None:
                    claimed[told.id] += 1
        found: Counter[Any] = Counter()
        fences: Counter[int] = Counter()
        async for shelves in all_rows(_desk(w), await _desk(w).cases.get(self.run)):
            for there in shelves:
                found.update(counters.adds(there))
                fences[there.message.id] = there.message.fence
        assert +claimed == +fences
        assert {cell: n for cell, n in counted.items() if n} == dict(found)


def _desk(w: World) -> Desk:
    ledger: Any = w.ledger
    desk: Desk = ledger.runs._desk
    return desk


async def _none(*_: object) -> int:
    return 0


_STEPS = [
    *[Walk.claims] * 6,
    *[Walk.settles] * 6,
    *[Walk.arrives] * 2,
    *[Walk.drains] * 2,
    Walk.cancels,
    Walk.looks,
    *[Walk.sweeps] * 2,
    Walk.reaps,
    Walk.resolves,
]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_they_do_at_once_each_claim_is_one_workers(seed: int) -> None:
    """And everything has an end, is counted, and is told once."""
    asyncio.run(Walk(seed).whole())
