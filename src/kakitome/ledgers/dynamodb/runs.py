"""Runs: streams, campaigns, and the imports of lists into them. The rules are the memory ledger's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from kakitome.core.errors import StateError
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import OPEN
from kakitome.core.message import Run
from kakitome.core.policy import Policy
from kakitome.ledgers.dynamodb import keys, schema
from kakitome.ledgers.dynamodb.cases import case_item, refuse_pruned
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.guards_streams import StreamGuards, is_held
from kakitome.ledgers.dynamodb.imports import Imports
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.making import make
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.own import Own, own_name
from kakitome.ledgers.dynamodb.table import Conflict, Put
from kakitome.ledgers.dynamodb.withdrawing import withdraw
from kakitome.ledgers.memory.book import Book
from kakitome.ledgers.memory.runs import MemoryRuns
from kakitome.ports.runs import Import, ImportBatch

Sent = Callable[[RunId], Awaitable[int]]
"""How many of a run were sent so far."""


class _Numbered(Book):
    """Gives one id, which nobody else has."""

    number = 0

    def next_ids(self, n: int, now: int) -> int:
        return self.number


class DynamoRuns:
    """`own`: whether each new campaign has a table for its rows."""

    def __init__(self, desk: Desk, open: Open, sent: Sent, own: bool = False) -> None:
        self._own = own
        self._desk = desk
        self._open = open
        self._sent = sent
        self._imports = Imports(desk)

    async def stream(self, name: str, policy: Policy, now: int) -> Run:
        known = await self._desk.cases.named(f"stream:{name}")
        if known is None:
            return await self._make(f"stream:{name}", lambda runs: at_once(runs.stream(name, policy, now)))
        if known.book.run.policy == policy:
            return known.book.run

        def rule(book: Book, _: Case) -> Run:
            return at_once(MemoryRuns(book).stream(name, policy, now))

        return await self._desk.cases.change(known.book.run.id, rule)

    async def open(
        self, name: str, stream: str, policy: Policy, template: int | None, pinned: bytes, expires: int | None, now: int
    ) -> Run:
        known = await self._desk.cases.named(name)
        if known is not None:
            return known.book.run

        def rule(runs: MemoryRuns) -> Run:
            return at_once(runs.open(name, stream, policy, template, pinned, expires, now))

        return await self._make(name, rule)

    async def _make(self, name: str, rule: Callable[[MemoryRuns], Run]) -> Run:
        """The run, with its name. Whoever comes second gets the first one's."""
        desk = self._desk
        book = _Numbered(desk.hash_key)
        book.number = await self._next_number()
        run = rule(MemoryRuns(book))
        pointer = body_item(keys.run_name(name), run.id.to_bytes(8, "big"))
        case = Case(book.runs[run.id], own=await self._table_of(run) if self._own and run.campaign else None)
        try:
            puts = [Put(pointer, None), Put(case_item(case, book.journal), None)]
            await desk.table.transact(puts, desk.token())
        except Conflict:
            if case.own is not None:
                await schema.drop(desk.table.line, case.own.table)
            known = await desk.cases.named(name)
            assert known is not None
            return known.book.run
        return run

    async def _table_of(self, run: Run) -> Own:
        """Made before the run that will name it, so that no run names one that is not there. Whoever is cut off in
        between leaves an empty table that nothing refers to."""
        table = self._desk.table
        own = Own(own_name(table.name, run.name, run.id, run.created))
        await make(table.line, own.table, table.name)
        return own

    async def _next_number(self) -> int:
        """One that nobody had; a number may be lost."""
        desk = self._desk
        there = await desk.table.get(keys.RUN_NUMBER)
        while True:
            image = image_of(there) if there else None
            number = 1 + (int.from_bytes(image.body, "big") if image else 0)
            if number > keys.MOST_RUNS:
                raise StateError("This table has had its 262,143 campaigns and streams.", "Begin another table.")
            item = body_item(keys.RUN_NUMBER, number.to_bytes(4, "big"))
            there = await desk.table.put(item, image.revision if image else None, desk.token())
            if there is None:
                return number

    async def begin_import(self, run: RunId, digest: str, now: int, rows: int = 0) -> Import:
        def rule(book: Book, case: Case) -> Import:
            refuse_pruned(case)
            begun = at_once(MemoryRuns(book).begin_import(run, digest, now))
            if case.bits is None and rows:
                case.bits = keys.page_bits(rows)
            return begun

        return await self._desk.cases.change(run, rule)

    async def append(self, run: RunId, digest: str, batch: ImportBatch, due: int, now: int) -> Import:
        return await self._imports.append(run, digest, batch, due, now)

    async def seal(self, run: RunId, digest: str, now: int) -> Run:
        return await self._desk.cases.change(run, lambda book, _: at_once(MemoryRuns(book).seal(run, digest, now)))

    async def move(self, run: RunId, to: str, who: str, now: int) -> Run:
        case = await self._desk.cases.get(run)
        known = case.book.run
        sent = await self._sent(run) if to == "running" else 0
        if to == "running" and is_held(case):
            await StreamGuards(self._desk).resumed(known.stream, now)

        async def rule(book: Book, case: Case) -> Run:
            refuse_pruned(case)
            if to == "done" and known.campaign and await self._is_open(case, now):
                raise StateError(f"The campaign {known.name!r} still has open messages; it is not done.")
            begun = case.book.guard
            moved = at_once(MemoryRuns(book).move(run, to, who, now))
            if case.book.guard is not begun:
                case.book.guard.sent_before = sent
            return moved

        moved = await self._desk.cases.change_looking(run, rule)
        if to == "cancelled":
            await withdraw(self._desk, self._open, case, who, now)
        return moved

    async def _is_open(self, case: Case, now: int) -> bool:
        return await self._open.first(self._open.messages(case, now), lambda m: m.state in OPEN) is not None

    async def find(self, name: str) -> Run | None:
        known = await self._desk.cases.named(name)
        return None if known is None else known.book.run

    async def list(self, live: bool = False) -> Sequence[Run]:
        cases = self._desk.cases
        return [case.book.run for case in (await cases.live() if live else await cases.all())]
