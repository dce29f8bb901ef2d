"""A list that comes in rows, told to the memory ledger and to the SQLite ledger: both must say the same.

The great machine of `test_differential` comes to few of these; here there is nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from test_differential import expanded

from kakitome.core.errors import KakitomeError
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed, Settlement
from kakitome.core.policy import Kind, Policy
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.ledger import Ledger
from kakitome.ports.reads import Search
from kakitome.ports.rows import Claiming, Taken
from kakitome.ports.runs import ImportBatch, ImportRow
from kakitome.testing.ledger_world import HOUR, MINUTE, START, hashed

LISTS = {"one": "abacde", "two": "ffbcga"}  # who is in which line; two more lines of each have no good address
Op = tuple[Any, ...]

lines = st.lists(st.integers(0, 5), min_size=1, max_size=7)
names = st.sampled_from(("one", "one", "two"))
workers = st.sampled_from(("w1", "w2", None))
ops: st.SearchStrategy[Op] = st.one_of(
    st.tuples(st.just("take"), names, lines, workers, st.sampled_from((0, 0, 0, MINUTE))),
    st.tuples(st.just("take"), names, lines, workers, st.just(0)),
    st.tuples(st.just("bad"), names, st.lists(st.sampled_from((6, 7)), max_size=3)),
    st.tuples(st.just("whole"), names),
    st.tuples(st.just("expect"), names, st.sampled_from((8, 8, 8, 9))),
    st.tuples(st.just("import_"), names),
    st.tuples(st.just("move"), st.sampled_from(("paused", "running", "running", "done", "cancelled"))),
    st.tuples(st.just("settle"), st.sampled_from((Cause.PROVIDER_ACCEPTED, Cause.DEFERRED, Cause.UNCERTAIN))),
    st.tuples(st.just("wait"), st.sampled_from((1, MINUTE, HOUR))),
)


def rows(name: str, numbers: list[int]) -> list[ImportRow]:
    to = [f"{LISTS[name][n]}@example.jp" for n in numbers]
    return [ImportRow(n, a, hashed(a), f'{{"n":{n}}}', a[0]) for n, a in zip(numbers, to, strict=True)]


class Two:
    """Both ledgers, with one campaign each."""

    def __init__(self, folder: Path) -> None:
        self.both: tuple[Ledger, Ledger] = (MemoryLedger(), SqliteLedger(folder / "ledger.db"))
        self.now = START
        self.claims: list[Claimed] = []

    async def ask(self, call: Callable[[Ledger], Awaitable[Any]]) -> Any:
        answers = []
        for ledger in self.both:
            try:
                answers.append(await call(ledger))
            except KakitomeError as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        return answers[0]

    async def begin(self) -> None:
        policy, until = Policy(kind=Kind.BULK), START + 2 * HOUR
        self.run = (await self.ask(lambda b: b.runs.open("x", "news", policy, None, b"{}", until, START))).id
        await self.expect("one", 8)

    async def expect(self, name: str, n: int) -> None:
        await self.ask(lambda b: b.rows.expect(self.run, name, n, self.now))

    async def take(self, name: str, numbers: list[int], worker: str | None, later: int) -> None:
        claim = Claiming(worker, "ses", self.now + MINUTE) if worker else None
        due = self.now + later
        taken = await self.ask(lambda b: b.rows.take(self.run, name, rows(name, numbers), claim, due, self.now))
        if isinstance(taken, Taken):
            assert taken.fresh + taken.duplicate + taken.already == len(numbers)
            self.claims += taken.claims

    async def bad(self, name: str, numbers: list[int]) -> None:
        await self.ask(lambda b: b.rows.bad(self.run, name, numbers, self.now))
        await self.ask(lambda b: b.rows.close(self.run, name, self.now))

    async def whole(self, name: str) -> None:
        await self.take(name, [*range(6)], "w1", 0)
        await self.bad(name, [6, 7])

    async def import_(self, name: str) -> None:
        batch = ImportBatch(first_line=0, next_line=8, rows=tuple(rows(name, [*range(6)])), invalid=2)
        await self.ask(lambda b: b.runs.begin_import(self.run, name, self.now))
        await self.ask(lambda b: b.runs.append(self.run, name, batch, self.now, self.now))
        await self.ask(lambda b: b.runs.seal(self.run, name, self.now))

    async def move(self, to: str) -> None:
        await self.ask(lambda b: b.runs.move(self.run, to, "aya", self.now))

    async def settle(self, cause: Cause) -> None:
        for claimed in self.claims:
            one = Settlement(id=claimed.id, fence=claimed.fence, cause=cause, due=self.now)
            await self.ask(lambda b, one=one: b.messages.settle([one], self.now))  # type: ignore[misc]
        self.claims = []

    async def wait(self, time: int) -> None:
        self.now += time
        await self.ask(lambda b: b.sweeps.lease_over(100, self.now))
        await self.ask(lambda b: b.sweeps.expire(100, self.now))

    async def look(self) -> None:
        """Everything that can be read."""
        views = await self.ask(lambda b: b.reads.search(Search(run=self.run)))
        await self.ask(lambda b: b.reads.attempts([view.id for view in views]))
        account = await self.ask(lambda b: b.reads.rows(self.run))
        assert account["read"] == sum(account.values()) - account["read"]
        assert min(account.values()) >= 0
        await self.ask(lambda b: b.runs.list())
        memory, sqlite = [await b.journal.read(0, 9_999) for b in self.both]
        assert expanded(memory) == expanded(sqlite)
        assert await self.both[1].reads.verify() == []


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(ops, min_size=3, max_size=12))
def test_both_ledgers_say_the_same_of_a_list_in_rows(path: list[Op]) -> None:
    """Each answer, each message with its attempts, the account, the journal; and the recount agrees."""

    async def run() -> None:
        with TemporaryDirectory() as folder:
            two = Two(Path(folder))
            await two.begin()
            for what, *of in path:
                await getattr(two, what)(*of)
                await two.look()
            for ledger in two.both:
                await ledger.close()

    asyncio.run(run())
