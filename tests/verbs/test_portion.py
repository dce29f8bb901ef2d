"""A part of a list that was handed to one worker: sent in slices, and killed at any step of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec
import pytest
from machine import LANE, STEPS, Killed, Machine, Plug
from workshop import START

from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import State
from kakitome.core.message import Run
from kakitome.core.outcome import Outcome, Released
from kakitome.core.policy import Kind, Policy
from kakitome.core.template import TemplateSource
from kakitome.deliver import deliver
from kakitome.ledgers.memory.book import Book
from kakitome.ledgers.memory.rows import MemoryRows
from kakitome.ports.reads import Search
from kakitome.ports.rows import Claiming, Taken
from kakitome.ports.runs import ImportRow
from kakitome.ports.transport import Capabilities, Parcel, Wire
from kakitome.ports.workers import MarkKind
from kakitome.supply import Portion

DIGEST = "list"
SLOW = msgspec.structs.replace(LANE, rate=2.0)
ROWS = [ImportRow(k, f"r{k}@example.com", k + 1, "{}") for k in range(7)]
OF_A_DELIVERY = [name for name in STEPS if not name.endswith(("_reap", "_fold"))]


class Taking(MemoryRows):
    """`slices` is how many rows came at a time; `answered` are the claims that the ledger has answered."""

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self.slices: list[int] = []
        self.answered: set[MessageId] = set()

    async def take(
        self, run: RunId, digest: str, rows: Sequence[ImportRow], claim: Claiming | None, due: int, now: int
    ) -> Taken:
        taken = await super().take(run, digest, rows, claim, due, now)
        self.slices.append(len(rows))
        self.answered |= {claimed.id for claimed in taken.claims}
        return taken


class Children(Machine):
    """A campaign whose list comes in rows, and children that are handed all of them, one after the other."""

    def __init__(self) -> None:
        super().__init__(Policy(kind=Kind.BULK), "all")
        self.rows = self.ledger.rows = Taking(self.ledger.rows._book)
        self.unclaimed: list[MessageId] = []
        self.id = RunId(0)

    async def begin(self) -> None:
        source = TemplateSource(name="letter", sender="a@example.com", subject="Hi", text="x\n")
        letter = await self.ledger.templates.put("letter", "1", msgspec.json.encode(source), START)
        self.id = (await self.ledger.runs.open("spring", "bulk", self.policy, letter.id, b"{}", None, START)).id
        await self.rows.expect(self.id, DIGEST, len(ROWS), START)

    async def run(self) -> Run:
        [run] = await self.ledger.runs.list()
        return run

    async def child(self, crash: tuple[str, int] | None = None, batches: int = 20) -> Portion:
        """A worker with all the rows; it dies where `crash` says."""
        hands = await self._worker(Plug(*crash) if crash else Plug())
        supply = Portion(await self.run(), DIGEST, ROWS, self.rows, hands)
        try:
            for _ in range(batches):
                await deliver(await self.run(), SLOW, _Line(self), hands, supply=supply)
                self.clock.pass_by(1)
        except Killed:
            self.hosts.dead.add(hands.worker)
            self.alive = None
        return supply

    async def states(self) -> dict[MessageId, State]:
        return {view.id: view.state for view in await self.ledger.reads.search(Search(run=self.id))}

    async def count(self) -> dict[str, int]:
        return {name: n for name, n in (await self.ledger.reads.rows(self.id)).items() if n}


class _Line:
    """The way to the provider. Whoever writes what the ledger has not answered yet is written down."""

    capabilities = Capabilities(places=1, events=True, envelope_differs=True, raw=True, timeout=10.0)

    def __init__(self, children: Children) -> None:
        self._children = children

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        for index, parcel in enumerate(parcels):
            if not (await wire.ready(index) and await wire.turn(index) and wire.begin(index)):
                yield index, Released("withdrawn")
                continue
            if parcel.message not in self._children.rows.answered:
                self._children.unclaimed.append(parcel.message)
            yield index, self._children.provider.take(parcel)

    async def close(self) -> None:
        return None


def handed(body: Callable[[Children], Awaitable[None]]) -> Callable[[], None]:
    """A test that is a coroutine over the children of a campaign."""

    def test() -> None:
        async def run() -> None:
            children = Children()
            await children.begin()
            await body(children)
            assert children.unclaimed == []
            assert await children.ledger.reads.verify() == []

        asyncio.run(run())

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


@handed
async def test_a_portion_goes_out_in_slices_of_its_slots(c: Children) -> None:
    """As many rows come into the ledger at a time as there are slots: what cannot go now is in nobody's hands."""
    supply = await c.child()
    assert not supply.rest
    assert len(c.rows.slices) > 1
    assert sum(c.rows.slices) == len(ROWS)
    assert sorted(c.provider.record.values()) == [1] * len(ROWS)
    assert await c.count() == {"read": 7, "sent": 7}
    assert await c.rows.close(c.id, DIGEST, c.clock.now()) == 0


@handed
async def test_what_a_child_leaves_is_for_any_worker(c: Children) -> None:
    """Its time is over: the rest is queued, due, and claimed like all mail that waits."""
    supply = await c.child(batches=1)
    left = len(supply.rest)
    assert 0 < left < len(ROWS)
    assert await supply.leave(c.clock.now()) == left
    assert not supply.rest
    assert await c.count() == {"read": 7, "queued": left, "sent": 7 - left}
    assert await c.rows.close(c.id, DIGEST, c.clock.now()) == 0
    c.rows.answered |= set(await c.ledger.messages.due(c.id, 9, c.clock.now()))
    hands = await c._worker(Plug())
    for _ in range(20):
        await deliver(await c.run(), SLOW, _Line(c), hands)
        c.clock.pass_by(1)
    assert sorted(c.provider.record.values()) == [1] * len(ROWS)


@handed
async def test_a_portion_of_a_paused_campaign_waits(c: Children) -> None:
    """A person paused it between two slices: nothing more goes out, and nothing is lost."""
    supply = await c.child(batches=1)
    sent = 7 - len(supply.rest)
    await c.ledger.runs.move(c.id, "paused", "aya", c.clock.now())
    await c.child()
    assert c.provider.record.total() == sent
    assert await c.count() == {"read": 7, "queued": 7 - sent, "sent": sent}


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", OF_A_DELIVERY)
def test_killed_at_any_step_only_what_was_on_the_wire_is_in_doubt(name: str, times: int) -> None:
    """The rest is where it was: sent, queued, or missing; and the same rows again send each of them once."""

    @handed
    async def run(c: Children) -> None:
        await c.child((name, times))
        assert c.hosts.dead
        [slate] = [list(s.places.values()) for w, s in c.hosts.slates.items() if w in c.hosts.dead]
        on_the_wire = {mark.message for mark in slate if mark.kind is MarkKind.ON_THE_WIRE}
        assert len(on_the_wire) <= 1
        before = await c.states()
        await c.reap()
        after = await c.states()
        assert {id for id, state in after.items() if state is State.IN_DOUBT} == on_the_wire
        assert set(after.values()) <= {State.SENT, State.QUEUED, State.IN_DOUBT}
        assert set(after) == set(before)
        await c.child()
        await c.events(99)
        record = c.provider.record
        ids = set(await c.states())
        assert len(ids) == len(ROWS)
        assert {id for id in ids if record[id] != 1} <= on_the_wire
        assert max(record.values()) == 1, "never twice"
        assert await c.rows.close(c.id, DIGEST, c.clock.now()) == 0

    run()
