"""Rows of a list become messages. An address has one place in a campaign: a second line finds it taken."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.errors import LedgerUnavailable, NotFound
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.announcing import Announcing
from kakitome.ledgers.dynamodb.apart import Apart
from kakitome.ledgers.dynamodb.codec import Case, Shelved, unpack_message
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import image_of, message_item
from kakitome.ledgers.dynamodb.marshal import Item
from kakitome.ledgers.memory.book import Book, ImportBook, Message
from kakitome.ledgers.memory.runs import expects_rows
from kakitome.ports.runs import Import, ImportBatch, ImportRow

FRESH, DUPLICATE, ALREADY = "fresh", "duplicate", "already"


class Imports:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._announcing = Announcing(desk)
        self._apart = Apart(desk)

    async def append(self, run: RunId, digest: str, batch: ImportBatch, due: int, now: int) -> Import:
        """See `ports.runs.Runs.append`. The rows are written first, the counts and the next line after them in one
        change: whoever is cut off between the two finds its own rows again, by digest and line."""
        case = await self._desk.cases.get(run)
        source = _source(case, digest)
        if source.is_expected:
            raise expects_rows(case.book.run)
        if source.sealed or batch.first_line != source.next_line:
            return _answer(source)
        bits = case.bits
        if bits is None:
            bits = await self._desk.cases.change(run, lambda _, there: _with_bits(there, len(batch.rows)))
        rows = await self._apart.laid(run, batch.rows)
        verdicts = await self._put(case, bits, source, rows, due, now)

        def rule(book: Book, there: Case) -> Import:
            known = _source(there, digest)
            if not known.sealed and known.next_line == batch.first_line:
                there.book.duplicate += verdicts.count(DUPLICATE)
                there.book.already += verdicts.count(ALREADY)
                there.book.invalid += batch.invalid
                known.next_line = batch.next_line
                there.paces = tuple(sorted({*there.paces, *(row.pace for row in batch.rows)}))
            return _answer(known)

        return await self._desk.cases.change(run, rule)

    async def _put(
        self, case: Case, bits: int, source: ImportBook, rows: Sequence[ImportRow], due: int, now: int
    ) -> list[str]:
        """What became of each row. The first line of an address is the one that counts."""
        run = case.book.run.id
        first: dict[int, ImportRow] = {}
        for row in sorted(rows, key=lambda row: row.line):
            first.setdefault(row.hash, row)
        verdicts: dict[int, str] = {}  # by address hash
        todo = [(row, 0) for row in first.values()]
        while todo:
            ids = [keys.row_id(run, bits, row.hash, probe) for row, probe in todo]
            paces = [(id, row.pace) for id, (row, _) in zip(ids, todo, strict=True)]
            names = await self._announcing.announce(run, source.digest, paces, now)
            items = [
                self._item(case, source, row, id, names[id], due, now) for id, (row, _) in zip(ids, todo, strict=True)
            ]
            there = await self._desk.table.put_many([(item, None) for item in items], self._desk.token())
            told = {row.hash: _verdict(found, source, row) for (row, _), found in zip(todo, there, strict=True)}
            verdicts |= {hash: verdict for hash, verdict in told.items() if verdict is not None}
            todo = [(row, _behind(probe)) for row, probe in todo if told[row.hash] is None]
        return [_of_line(verdicts[row.hash], row is first[row.hash]) for row in rows]

    def _item(
        self, case: Case, source: ImportBook, row: ImportRow, id: MessageId, note: str, due: int, now: int
    ) -> Item:
        run = case.book.run.id
        message = Message(id, run, row.address, row.hash, due, case.book.expires, source=source, line=row.line)
        message.variables, message.pace = row.variables.encode(), row.pace
        book = self._desk.book()
        book.enter(now, Cause.ACCEPTED, run=run, ids=[id])
        return message_item(Shelved(message), book.journal, note=note)


def _verdict(found: Item | None, source: ImportBook, row: ImportRow) -> str | None:
    """What a row became, by what was in its place; None: the place is another address's."""
    if found is None:
        return FRESH
    there = unpack_message(image_of(found).body).message
    if there.hash != row.hash:
        return None
    assert there.source is not None
    if there.source.digest != source.digest:
        return ALREADY
    return FRESH if there.line == row.line else DUPLICATE


def _of_line(verdict: str, is_first: bool) -> str:
    """A second line of an address whose message is from another list is no duplicate: that one is not from here."""
    return verdict if is_first or verdict == ALREADY else DUPLICATE


def _behind(probe: int) -> int:
    if probe >= keys.PROBES:
        raise LedgerUnavailable("A page of the campaign is full.", "Divide the list.")
    return probe + 1


def _source(case: Case, digest: str) -> ImportBook:
    for source in case.imports:
        if source.digest == digest:
            return source
    raise NotFound(f"No import of {digest} was begun for this campaign.")


def _with_bits(case: Case, rows: int) -> int:
    if case.bits is None:
        case.bits = keys.page_bits(rows)
    return case.bits


def _answer(source: ImportBook) -> Import:
    return Import(source.run, source.digest, source.next_line, source.sealed)
