"""The differential machine while replies are lost: requests are done, and their answers never come.

Of two processes one has the bad way. Where its patience ends, the other one is asked the same again, as a caller would
ask who was told nothing. Then the answer may say less (what the first call did already is not said again), and the
journal may say something twice; what is in the ledger is what one call leaves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from test_dynamodb_differential import FIRST_RUN, LENGTH, MemoryAndDynamo, answered, told
from test_dynamodb_losses import Patient
from translating import Ids, Translated

import dynamo_rig
from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.items import body_item
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.line import ATTEMPTS, Line
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.ledger import Ledger
from lossy import Loss, Lossy

WRITES = ("PutItem", "PutItem", "PutItem", "TransactWriteItems", "BatchWriteItem", "DeleteItem")
LOST_AT_ONCE = (1, 1, 2, ATTEMPTS, 4 * ATTEMPTS)


class Losing(Lossy):
    def forget(self) -> None:
        self._plans.clear()


class MemoryAndLossy(MemoryAndDynamo):
    # What may be granted or counted twice by a call that is repeated has tests of its own.
    slots = give_back = gate = report = None  # type: ignore[assignment]

    def opened(self) -> tuple[Ledger, Ledger]:
        self.ids = Ids()
        self.asked = self.turns = 0
        self.latest = 0
        self.random = Random(0)
        self.way = self.runner.run(Losing(dynamo_rig.emulated()).__aenter__())
        self.dynamos = self.runner.run(self.two())
        self.all = tuple(Translated(dynamo, self.ids) for dynamo in self.dynamos)
        return MemoryLedger(), self.all[1]

    async def two(self) -> list[DynamoLedger]:
        good = dynamo_rig.fresh()
        item = body_item(keys.RUN_NUMBER, (FIRST_RUN - 1).to_bytes(4, "big"))
        await good.put(item, None, b"first")
        line = Line(dynamo_rig.REGION, self.way.url, Patient(), Random(1), keys=dynamo_rig.SECRETS)
        tables = (Table(good.name, line), good)
        return [await DynamoLedger.open(it, token=partial(Random(n).randbytes, 8)) for n, it in enumerate(tables)]

    async def closed(self) -> None:
        await self.dynamos[0].close()
        await self.way.__aexit__()

    def given(self, call: Callable[[Ledger], Awaitable[Any]]) -> tuple[Any, bool]:
        self.asked += 1
        bad, good = self.all
        if not self.turns >> self.asked % 31 & 1:
            return self.runner.run(answered(good, call)), True
        for operation in {self.random.choice(WRITES), self.random.choice(WRITES)}:
            nth = self.random.choice((1, 1, 2, 3))
            self.way.lose(operation, Loss.REPLY, *range(nth, nth + self.random.choice(LOST_AT_ONCE)))
        said = self.runner.run(answered(bad, call))
        self.way.forget()
        if said is LedgerUnavailable:
            return self.runner.run(answered(good, call)), False
        return said, True

    def key(self, name: str | None) -> str | None:
        """Who repeats a mail without a key hands in a second one."""
        return super().key(name) or f"own-{self.asked}"

    def the_journals_tell_the_same(self) -> None:
        """Each at least once."""
        memory, other = (self.runner.run(ledger.journal.read(0, 100_000)) for ledger in self.ledgers)
        specified, given = told(memory), told(self.ids.ours(other))
        assert given.keys() == specified.keys()
        assert given >= specified


WALKS = settings(
    max_examples=4 * max(1, 3 * LENGTH),
    stateful_step_count=50 if LENGTH else 20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=not LENGTH,
    phases=(Phase.generate,) if LENGTH else tuple(Phase),
    report_multiple_bugs=not LENGTH,
)


def test_a_call_that_is_made_again_leaves_what_one_leaves() -> None:
    """Whatever replies are lost, the ledger has in the end what the memory ledger has, and the recount agrees."""
    run_state_machine_as_test(MemoryAndLossy, settings=WALKS)
