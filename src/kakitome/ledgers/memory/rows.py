"""Rows that come while their campaign runs, each together with its claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kakitome.core.errors import NotFound, StateError
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause, move
from kakitome.core.message import Claimed, Run
from kakitome.ledgers.memory.book import Book, ImportBook, Message
from kakitome.ledgers.memory.messages import take_in_hand
from kakitome.ledgers.memory.reads import missing
from kakitome.ledgers.memory.runs import known_import
from kakitome.ports.rows import Claiming, Taken
from kakitome.ports.runs import ImportRow

FRESH, DUPLICATE, ALREADY, BAD = "fresh", "duplicate", "already", "invalid"


class MemoryRows:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def expect(self, run: RunId, digest: str, rows: int, now: int) -> Run:
        book = self._book
        known = known_import(book, run, digest)
        if known is not None and known.expected != rows:
            raise StateError(f"This list was not counted as {rows} rows before.")
        if known is None:
            book.imports[run, digest] = ImportBook(run, digest, expected=rows)
            book.enter(now, "import_expected", run=run, digest=digest, rows=rows)
            if book.runs[run].run.state not in ("running", "paused"):
                book.set_state(run, "running")
                book.enter(now, "campaign_running", run=run, who="import")
        return book.runs[run].run

    async def take(
        self, run: RunId, digest: str, rows: Sequence[ImportRow], claim: Claiming | None, due: int, now: int
    ) -> Taken:
        source = open_import(self._book, run, digest)
        there = {m.hash: m for m in self._book.of_run(run)}
        said: Counter[str] = Counter()
        claims: dict[int, Claimed] = {}
        for row in sorted(rows, key=lambda row: row.line):
            verdict, claimed = take_row(self._book, source, row, there.get(row.hash), claim, due, now)
            said[verdict] += 1
            if verdict is FRESH and row.hash not in there:
                there[row.hash] = self._book.messages[MessageId(self._book.last_id)]
            elif verdict is not FRESH:
                tell_line(self._book, source, row.line, verdict)
            if claimed is not None:
                claims[row.line] = claimed
        in_order = [claims.pop(row.line) for row in rows if row.line in claims]
        return Taken(tuple(in_order), said[FRESH], said[DUPLICATE], said[ALREADY])

    async def bad(self, run: RunId, digest: str, lines: Sequence[int], now: int) -> None:
        source = open_import(self._book, run, digest)
        for line in lines:
            tell_line(self._book, source, line, BAD)

    async def close(self, run: RunId, digest: str, now: int) -> int:
        source = expected_import(self._book, run, digest)
        rest = missing(self._book, source)
        if not rest:
            end(self._book, source, now)
        return rest


def expected_import(book: Book, run: RunId, digest: str) -> ImportBook:
    """Raises `NotFound`."""
    source = book.imports.get((run, digest))
    if source is None or source.expected is None:
        raise NotFound(f"No rows of {digest} are expected in this campaign.")
    return source


def open_import(book: Book, run: RunId, digest: str) -> ImportBook:
    """Raises `NotFound`, and `StateError` where no more rows of it come."""
    source = expected_import(book, run, digest)
    if source.sealed:
        raise StateError(f"The list {digest} is closed.")
    return source


def take_row(
    book: Book, source: ImportBook, row: ImportRow, there: Message | None, claim: Claiming | None, due: int, now: int
) -> tuple[str, Claimed | None]:
    """What a row is, and its claim where it is in the caller's hands now. The book needs the run of the import, and
    `there`: the message that the row's address has in this run. A new one gets the book's next id. Lines that became
    no message are for `tell_line`."""
    runs = claim if book.is_running(source.run) else None
    if there is None:
        return FRESH, _admit(book, source, row, runs if due <= now else None, due, now)
    if there.source is None or there.source.digest != source.digest:
        return ALREADY, None
    if there.line != row.line:
        return DUPLICATE, None
    if runs is None or there.due > now or not book.change(there, Cause.CLAIMED, now):
        return FRESH, None
    return FRESH, take_in_hand(book, there, Cause.CLAIMED, runs, now)


def _admit(
    book: Book, source: ImportBook, row: ImportRow, claim: Claiming | None, due: int, now: int
) -> Claimed | None:
    id, run = MessageId(book.next_ids(1, now)), source.run
    m = Message(id, run, row.address, row.hash, due, book.runs[run].expires, source=source, line=row.line)
    m.variables, m.pace = row.variables.encode(), row.pace
    book.messages[id] = m
    cause = Cause.ACCEPTED if claim is None else Cause.ADMITTED_WITH_CLAIM
    step = move(None, cause)
    assert step is not None
    m.state = step.to
    if claim is None:
        book.enter(now, cause, run=run, ids=[id], digest=source.digest)
        return None
    return take_in_hand(book, m, cause, claim, now)


def tell_line(book: Book, source: ImportBook, line: int, verdict: str) -> None:
    """Count a line that became no message, once."""
    if line not in source.lines:
        source.lines[line] = verdict
        counted = book.runs[source.run]
        setattr(counted, verdict, getattr(counted, verdict) + 1)


def end(book: Book, source: ImportBook, now: int) -> None:
    """No more rows of it come."""
    if not source.sealed:
        source.sealed = True
        book.enter(now, "import_closed", run=source.run, digest=source.digest)
