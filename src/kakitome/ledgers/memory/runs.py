"""Runs: streams, campaigns, and the imports of lists into them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kakitome.core.errors import NotFound, StateError
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import OPEN, Cause
from kakitome.core.message import Run
from kakitome.core.policy import Policy
from kakitome.ledgers.memory.book import Book, ImportBook, Message, RunBook
from kakitome.ledgers.memory.guards import resumed
from kakitome.ports.runs import MOVES, Import, ImportBatch, ImportRow


class MemoryRuns:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def stream(self, name: str, policy: Policy, now: int) -> Run:
        book = self._book
        known = book.named(f"stream:{name}")
        if known is None:
            id = RunId(book.next_ids(1, now))
            known = Run(id=id, name=f"stream:{name}", stream=name, state="running", policy=policy, created=now)
            book.enter(now, "stream_opened", run=id, name=name)
        elif known.policy != policy:
            book.enter(now, "policy_changed", run=known.id)
            known = msgspec.structs.replace(known, policy=policy)
        book.runs.setdefault(known.id, RunBook(known)).run = known
        return known

    async def open(
        self, name: str, stream: str, policy: Policy, template: int | None, pinned: bytes, expires: int | None, now: int
    ) -> Run:
        if (known := self._book.named(name)) is not None:
            return known
        run = Run(
            id=RunId(self._book.next_ids(1, now)),
            name=name,
            stream=stream,
            state="importing",
            policy=policy,
            campaign=True,
            template=template,
            pinned=pinned,
            created=now,
        )
        self._book.runs[run.id] = RunBook(run, expires)
        self._book.enter(now, "campaign_opened", run=run.id, name=name, stream=stream, template=template)
        return run

    async def begin_import(self, run: RunId, digest: str, now: int, rows: int = 0) -> Import:
        book = self._book.run(run)
        known = known_import(self._book, run, digest)
        if known is not None and known.is_expected:
            raise expects_rows(book.run)
        if known is None:
            known = self._book.imports[run, digest] = ImportBook(run, digest)
            book.before_import = book.run.state
            self._book.set_state(run, "importing")
            self._book.enter(now, "import_begun", run=run, digest=digest)
        return _answer(known)

    def _import(self, run: RunId, digest: str) -> ImportBook:
        if (run, digest) not in self._book.imports:
            raise NotFound(f"No import of {digest} was begun for this campaign.")
        return self._book.imports[run, digest]

    async def append(self, run: RunId, digest: str, batch: ImportBatch, due: int, now: int) -> Import:
        source = self._import(run, digest)
        if source.is_expected:
            raise expects_rows(self._book.runs[run].run)
        if source.sealed or batch.first_line != source.next_line:
            return _answer(source)
        book = self._book.runs[run]
        there = {m.hash: m for m in self._book.of_run(run)}
        fresh: list[ImportRow] = []
        for row in sorted(batch.rows, key=lambda row: row.line):
            if row.hash not in there:
                fresh.append(row)
                there[row.hash] = Message(MessageId(0), run, row.address, row.hash, due, book.expires, source=source)
            elif there[row.hash].source is source:
                book.duplicate += 1
            else:
                book.already += 1
        self._write(book, source, fresh, due, now)
        book.invalid += batch.invalid
        source.next_line = batch.next_line
        return _answer(source)

    def _write(self, book: RunBook, source: ImportBook, fresh: Sequence[ImportRow], due: int, now: int) -> None:
        first = self._book.next_ids(max(1, len(fresh)), now)
        for k, row in enumerate(fresh):
            message = Message(MessageId(first + k), book.run.id, row.address, row.hash, due, book.expires)
            message.source, message.line, message.variables = source, row.line, row.variables.encode()
            message.pace = row.pace
            self._book.messages[message.id] = message
        ids = list(range(first, first + len(fresh)))
        self._book.enter(now, Cause.ACCEPTED, run=book.run.id, ids=ids, digest=source.digest)

    async def seal(self, run: RunId, digest: str, now: int) -> Run:
        source = self._import(run, digest)
        book = self._book.runs[run]
        if source.is_expected:
            raise expects_rows(book.run)
        if not source.sealed:
            source.sealed = True
            self._book.set_state(run, book.before_import if book.before_import in ("running", "paused") else "ready")
            self._book.enter(now, "import_sealed", run=run, digest=digest)
        return book.run

    async def move(self, run: RunId, to: str, who: str, now: int) -> Run:
        known = self._book.run(run).run
        if known.state not in MOVES.get(to, ()) or (to in ("done", "cancelled") and not known.campaign):
            raise StateError(f"The campaign {known.name!r} is {known.state}; it cannot become {to}.")
        if to == "done" and any(m.state in OPEN for m in self._book.of_run(run)):
            raise StateError(f"The campaign {known.name!r} still has open messages; it is not done.")
        if to == "done" and any(s.run == run and s.is_expected for s in self._book.imports.values()):
            raise expects_rows(known)
        if to != known.state:
            if to == "running":
                resumed(self._book, run, now)
            self._book.set_state(run, to)
            self._book.enter(now, f"campaign_{to}", run=run, who=who)
        if to == "cancelled":
            self._cancel(run, who, now)
        return self._book.runs[run].run

    def _cancel(self, run: RunId, who: str, now: int) -> None:
        for source in self._book.imports.values():
            source.sealed |= source.run == run
        for m in self._book.of_run(run):
            if m.state in OPEN:
                m.withdrawn_by = who
                self._book.change(m, Cause.CANCELLED, now)

    async def find(self, name: str) -> Run | None:
        return self._book.named(name)

    async def list(self, live: bool = False) -> Sequence[Run]:
        runs = (book.run for book in self._book.runs.values() if not live or book.run.state != "done")
        return sorted(runs, key=lambda run: (-run.created, -run.id))


def known_import(book: Book, run: RunId, digest: str) -> ImportBook | None:
    """The import of this list. `StateError` if the campaign cannot take it in now."""
    campaign = book.run(run).run
    if campaign.state == "cancelled":
        raise StateError(f"The campaign {campaign.name!r} was cancelled.")
    known = book.imports.get((run, digest))
    if known is None or not known.sealed:
        for other in book.imports.values():
            if other.run == run and other.digest != digest and not other.sealed:
                raise StateError(f"The campaign {campaign.name!r} is still taking in another list.")
    return known


def expects_rows(run: Run) -> StateError:
    return StateError(f"The campaign {run.name!r} waits for rows of a list that comes in parts.")


def _answer(source: ImportBook) -> Import:
    return Import(source.run, source.digest, source.next_line, source.sealed)
