"""What the clauses of the ledger's contract are written in: a ledger, a clock that one sets, and short words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

from kakitome.core.event import Event, EventKind
from kakitome.core.ids import MessageId, RunId, message_text
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Admitted, AttemptView, Claimed, Entry, MessageView, NewMessage, Run, Settlement
from kakitome.core.message import Submission as NewSubmission
from kakitome.core.policy import Kind, Policy
from kakitome.ports.ledger import Ledger
from kakitome.ports.messages import Settled
from kakitome.ports.reads import ROWS
from kakitome.ports.records import Folded, NamedEvent, Suppression
from kakitome.ports.runs import ImportBatch, ImportRow
from kakitome.ports.workers import WorkerRecord

START = 1_800_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
LEASE = 10 * MINUTE


class World:
    """A ledger with time. `now` moves only when a clause moves it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = START
        self._keys = count(1)

    # ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def stream(self, name: str = "booking", kind: Kind = Kind.TRANSACTIONAL) -> RunId:
        return (await self.ledger.runs.stream(name, Policy(kind=kind), self.now)).id

    async def open(self, name: str = "letter", expires: int | None = None) -> RunId:
        policy = Policy(kind=Kind.BULK)
        return (await self.ledger.runs.open(name, "bulk", policy, None, b"{}", expires, self.now)).id

    async def campaign(self, *addresses: str, name: str = "letter", digest: str = "list-1") -> RunId:
        """A running campaign with these addresses."""
        run = await self.open(name)
        await self.take_in(run, digest, *addresses)
        await self.ledger.runs.move(run, "running", "test", self.now)
        return run

    async def take_in(self, run: RunId, digest: str, *addresses: str) -> Run:
        """A whole import of one batch."""
        await self.ledger.runs.begin_import(run, digest, self.now)
        await self.append(run, digest, *addresses)
        return await self.ledger.runs.seal(run, digest, self.now)

    async def append(self, run: RunId, digest: str, *addresses: str, first: int = 0, invalid: int = 0) -> int:
        """Append a batch; answers the line at which the import goes on."""
        rows = tuple(ImportRow(first + k, a, hashed(a), '{"n":1}') for k, a in enumerate(addresses))
        batch = ImportBatch(first_line=first, next_line=first + len(rows) + invalid, rows=rows, invalid=invalid)
        return (await self.ledger.runs.append(run, digest, batch, self.now, self.now)).next_line

    async def move(self, run: RunId, to: str) -> Run:
        return await self.ledger.runs.move(run, to, "test", self.now)

    async def run(self, run: RunId) -> Run:
        return next(r for r in await self.ledger.runs.list() if r.id == run)

    # ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def admit(self, *addresses: str, run: RunId | None = None, **more: Any) -> list[MessageId]:
        """One submission to these addresses (by default to one)."""
        submission = self.submission(run or await self.stream(), *addresses, **more)
        [admitted] = await self.ledger.messages.admit([submission], self.now)
        assert isinstance(admitted, Admitted), admitted
        return list(admitted.messages)

    def submission(self, run: RunId, *addresses: str, **more: Any) -> NewSubmission:
        to = tuple(NewMessage(a, hashed(a)) for a in addresses or ("aoi@example.jp",))
        values: dict[str, Any] = {"run": run, "messages": to, "content": b'{"subject":"Hello"}'}
        return NewSubmission(**values | more)

    async def claim(self, *ids: MessageId, worker: str = "w1", lane: str = "ses") -> list[Claimed]:
        return await self.ledger.messages.claim(ids, worker, lane, self.now + LEASE, self.now)

    async def one(self, **more: Any) -> Claimed:
        """A message that was admitted and claimed."""
        [claimed] = await self.claim(*await self.admit(**more))
        return claimed

    async def again(self, claimed: Claimed, worker: str = "w2") -> Claimed:
        """The same message in a newer claim."""
        [newer] = await self.claim(claimed.id, worker=worker)
        return newer

    async def check(self, *claims: Claimed) -> dict[MessageId, Cause]:
        return await self.ledger.messages.check([(c.id, c.fence) for c in claims], self.now)

    async def settle(
        self, claimed: Claimed, cause: Cause, provider_id: str | None = None, due: int | None = None
    ) -> Settled:
        settlement = Settlement(
            id=claimed.id,
            fence=claimed.fence,
            cause=cause,
            provider_id=provider_id,
            due=due,
            outcome=b'{"outcome":"x"}',
        )
        return await self.ledger.messages.settle([settlement], self.now)

    async def resolve(self, id: MessageId, cause: Cause) -> list[MessageId]:
        return await self.ledger.messages.resolve([id], cause, "aya", "because", self.now)

    async def suppress(self, address: str, scope: str = "all", reason: str = "bounce") -> int:
        one = Suppression(hash=hashed(address), address=address, reason=reason, scope=scope, who="test")
        return await self.ledger.suppressions.add([one], self.now)

    async def begin(self, worker: str = "w1") -> None:
        await self.ledger.workers.begin(WorkerRecord(worker, "host", "boot", self.now))

    # ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def event(self, kind: EventKind = EventKind.SENT, of: Claimed | None = None, **more: Any) -> NamedEvent:
        """An event of this attempt; without one it names only what `more` says."""
        recipient = more.pop("recipient", of.address if of else "aoi@example.jp")
        values = {
            "key": f"event-{next(self._keys)}",
            "kind": kind,
            "at": self.now,
            "provider": "ses",
            "provider_message_id": "",
            "recipient": recipient,
            "message": message_text(of.id) if of else None,
            "attempt": str(of.fence) if of else None,
        }
        return NamedEvent(Event(**(values | more)), hashed(recipient) if recipient else None)

    async def fold(self, *events: NamedEvent) -> Folded:
        return await self.ledger.events.fold(events, self.now)

    # ── Looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def view(self, id: MessageId) -> MessageView:
        [view] = await self.ledger.reads.messages([id])
        return view

    async def state(self, id: MessageId) -> State:
        return (await self.view(id)).state

    async def attempts(self, id: MessageId) -> list[AttemptView]:
        return await self.ledger.reads.attempts([id])

    async def rows(self, run: RunId) -> dict[str, int]:
        """The account, without its zeros."""
        return {name: n for name, n in (await self.ledger.reads.rows(run)).items() if n}

    async def journal(self, after: int = 0) -> list[Entry]:
        return await self.ledger.journal.read(after, 10_000)

    async def seq(self) -> int:
        return max((entry.seq for entry in await self.journal()), default=0)

    async def balance(self) -> None:
        """What must hold at any time: the recount agrees, and `read` is the sum of the others."""
        assert await self.ledger.reads.verify() == []
        for run in await self.ledger.runs.list():
            rows = await self.ledger.reads.rows(run.id)
            assert tuple(rows) == ROWS
            assert rows["read"] == sum(rows.values()) - rows["read"], rows
            assert min(rows.values()) >= 0, rows


def hashed(address: str) -> int:
    """A stand-in for the keyed hash of an address."""
    return int.from_bytes(address.encode()[:8].ljust(8, b"."), "big") >> 1 ^ len(address)


def named(entries: Sequence[Entry], id: MessageId) -> list[str]:
    """The kinds of the entries that are about this message, alone or in a batch."""
    return [e.kind for e in entries if e.message == id or id in e.data.get("ids", ()) or _in_range(e, id)]


def _in_range(entry: Entry, id: MessageId) -> bool:
    return "first" in entry.data and entry.data["first"] <= id <= entry.data["last"]


Clause = Callable[[Any, World], Awaitable[None]]


def clause(body: Clause) -> Callable[[Any], None]:
    """A clause is written as a coroutine over a `World` and runs as an ordinary test, on a ledger of its own; whatever
    it did, the books must balance in the end."""

    def test(self: Any) -> None:
        async def run() -> None:
            ledger = await self.make()
            try:
                world = World(ledger)
                await body(self, world)
                await world.balance()
            finally:
                await ledger.close()

        asyncio.run(run())

    test.__name__ = body.__name__
    test.__qualname__ = body.__qualname__
    test.__doc__ = body.__doc__
    test.__module__ = body.__module__
    return test


class Clauses:
    """A part of the contract. `make` opens an empty ledger."""

    async def make(self) -> Ledger:
        raise NotImplementedError
