"""The memory ledger and the ledger on DynamoDB are told the same and must say the same.

The machine is that of `test_differential`; the ids are translated. Order by id is not compared, since it is not the
order of lines here, and among equals nothing promises another one.

A long campaign: `KAKITOME_DIFFERENTIAL=20` makes it twenty times as many walks, each of its own seed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from test_differential import ADDRESSES, STREAMS, Both, expanded
from translating import Ids, Translated

from dynamo_rig import fresh
from kakitome.core.errors import KakitomeError
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import OPEN, State
from kakitome.core.message import AttemptView, Entry, MessageView
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.items import body_item
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.ledger import Ledger
from kakitome.ports.messages import Doubt
from kakitome.ports.reads import Search
from kakitome.testing.ledger_world import START, hashed

LENGTH = int(os.environ.get("KAKITOME_DIFFERENTIAL", "0"))
FIRST_RUN = 200_000
"""No count and no line is as large, so that every number says what it is."""


class MemoryAndDynamo(Both):
    few = 1000
    seats = 1

    def opened(self) -> tuple[Ledger, Ledger]:
        self.ids = Ids()
        self.asked = self.turns = 0
        self.latest = START
        self.dynamos = self.runner.run(self.seated(fresh()))
        self.all: tuple[Any, ...] = tuple(Translated(dynamo, self.ids) for dynamo in self.dynamos)
        memory = MemoryLedger()
        return memory, self.all[0]

    async def seated(self, table: Table) -> list[DynamoLedger]:
        """As many processes as there are seats, each with what it remembers."""
        item = body_item(keys.RUN_NUMBER, (FIRST_RUN - 1).to_bytes(4, "big"))
        await table.put(item, None, b"first")
        tables = [table, *(table.beside(table.name) for _ in range(self.seats - 1))]
        return [await DynamoLedger.open(it, token=partial(Random(n).randbytes, 8)) for n, it in enumerate(tables)]

    @initialize(turns=st.integers(0, (1 << 31) - 1), running=st.integers(0, 3))
    def begin(self, turns: int, running: int) -> None:
        """Whose turn it is to be asked, as bits; and whether the walk begins in the middle."""
        self.turns = turns
        super().begin()
        if running & 1:
            self.take_in(2, "list-1", True, [list(ADDRESSES[:4]), list(ADDRESSES[2:5])])
            self.move(2, "running")
        if running & 2:
            self.admit(0, list(ADDRESSES[:2]), "k1", None, None)
            self.claim([*range(6)], "w1", "ses", False)

    def teardown(self) -> None:
        try:
            self.all_is_equal()
        finally:
            self.runner.run(self.closed())
            super().teardown()

    async def closed(self) -> None:
        """All but the one whose table it is."""
        for dynamo in self.dynamos[1:]:
            await dynamo.feed.close()

    def ask(self, call: Callable[[Ledger], Awaitable[Any]]) -> Any:
        specified = self.runner.run(answered(self.ledgers[0], call))
        given, is_whole = self.given(call)
        self.ids.learn(specified, given)
        if self.ids.has_strange_rows(given):
            campaigns = self.runs[len(STREAMS) :]
            self.runner.run(self.ids.learn_rows(self.ledgers[0], self.ledgers[1], campaigns))
        assert not is_whole or ordered(self.ids.ours(given)) == ordered(specified)
        return specified

    def given(self, call: Callable[[Ledger], Awaitable[Any]]) -> tuple[Any, bool]:
        """The answer of whoever's turn it is, and whether it must be the one that is specified."""
        self.asked += 1
        return self.runner.run(answered(self.all[(self.turns >> self.asked % 31 & 1) % self.seats], call)), True

    def key(self, name: str | None) -> str | None:
        """A key whose time was over may be known again when the clock goes back: nothing is promised then."""
        return name if self.now >= self.latest else None

    def due(self, run: RunId, pace: str) -> list[MessageId]:
        """All that is due, oldest first; of two any that are as old as the two oldest."""
        whole = self.ask(partial(_all_due, run=run, now=self.now, pace=pace))
        there = self.runner.run(self.all[0].messages.due(run, 1000, self.now, pace))
        two = self.runner.run(self.all[0].messages.due(run, 2, self.now, pace))
        views = self.runner.run(self.ledgers[0].reads.messages(whole))
        dues = {view.id: view.due for view in views}
        assert [dues[id] for id in self.ids.ours(there)] == sorted(dues.values())
        assert [dues[id] for id in self.ids.ours(two)] == sorted(dues.values())[:2]
        found: list[MessageId] = sorted(whole, key=lambda id: (dues[id], id))[:2]
        return found

    def searches(self) -> tuple[Search, ...]:
        return (
            Search(states=(State.QUEUED, State.DEAD), delivery="delivered"),
            *(Search(states=(state,), n=1000) for state in sorted(OPEN)),
            *(Search(run=run, n=1000) for run in self.runs),
            *(Search(hash=hashed(address), n=1000) for address in ADDRESSES[:2]),
        )

    @invariant()
    def messages_are_equal(self) -> None:
        self.latest = max(self.latest, self.now)
        self.ask(lambda b: b.reads.messages(self.messages))

    @rule()
    def all_is_equal(self) -> None:
        super().all_is_equal()
        self.the_journals_tell_the_same()

    def the_journals_tell_the_same(self) -> None:
        memory, other = (self.runner.run(ledger.journal.read(0, 100_000)) for ledger in self.ledgers)
        assert told(self.ids.ours(other)) == told(memory)


def told(entries: list[Entry]) -> Counter[Any]:
    """What the journal says, without batches of nobody. Where one event makes known whose another is, an address may be
    suppressed and released in between: what is left of the two counts."""
    found = expanded([entry for entry in entries if entry.data.get("ids") != []])
    for one in [one for one in found if one[1] == "released_address"]:
        suppressed = (one[0], "suppressed_address", *one[2:])
        both = min(found[one], found[suppressed])
        found.subtract({one: both, suppressed: both})
    return +found


async def _all_due(ledger: Ledger, run: RunId, now: int, pace: str) -> set[MessageId]:
    return set(await ledger.messages.due(run, 1000, now, pace))


async def answered(ledger: Ledger, call: Callable[[Ledger], Awaitable[Any]]) -> Any:
    try:
        return await call(ledger)
    except (KakitomeError, ValueError) as error:
        return type(error)


def ordered(answer: Any) -> Any:
    """Without an order by id."""
    if isinstance(answer, list) and answer and isinstance(answer[0], MessageView | AttemptView | Doubt):
        return sorted(answer, key=lambda one: getattr(one, "id", None) or (one.message, one.fence))
    return answer


STEPS = 25
MemoryAndDynamo.TestCase.settings = settings(
    max_examples=6 * max(1, 2 * LENGTH),
    stateful_step_count=STEPS * (2 if LENGTH else 1),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=not LENGTH,
    # What a long campaign finds is made small by hand: a step takes a second.
    phases=(Phase.generate,) if LENGTH else tuple(Phase),
    report_multiple_bugs=not LENGTH,
)
TestMemoryAndDynamo = MemoryAndDynamo.TestCase


class MemoryAndTwo(MemoryAndDynamo):
    """Two processes on one table: what one of them remembers decides nothing."""

    seats = 2


MemoryAndTwo.TestCase.settings = MemoryAndDynamo.TestCase.settings
TestMemoryAndTwo = MemoryAndTwo.TestCase
