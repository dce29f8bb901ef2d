"""Rows that come while their campaign runs, each together with its claim. The rules are the memory ledger's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import State
from kakitome.core.message import Claimed, Run
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.announcing import Announcing
from kakitome.ledgers.dynamodb.apart import Apart
from kakitome.ledgers.dynamodb.cases import refuse_pruned
from kakitome.ledgers.dynamodb.codec import Case, Shelved, unpack_message
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.items import image_of, message_item, told_of
from kakitome.ledgers.dynamodb.marshal import Item
from kakitome.ledgers.dynamodb.reads_walk import rows as all_rows
from kakitome.ledgers.dynamodb.rows_told import tell, told
from kakitome.ledgers.dynamodb.table import all_of
from kakitome.ledgers.dynamodb.untold import giving_back
from kakitome.ledgers.memory.book import Book, ImportBook
from kakitome.ledgers.memory.rows import BAD, FRESH, MemoryRows, end, expected_import, open_import, take_row
from kakitome.ports.rows import Claiming, Taken
from kakitome.ports.runs import ImportRow

Said = tuple[str, Claimed | None]
CountOf = Callable[[RunId, str], Awaitable[int]]
"""How many rows of an import became messages, by the counters: these may be behind, and never ahead."""


class _Placed(Book):
    """Gives one id: the place of the row's address."""

    place = MessageId(0)

    def next_ids(self, n: int, now: int) -> int:
        return self.place


def _claims(said: Mapping[int, Said], rows: Iterable[ImportRow]) -> list[Claimed]:
    """Those of the rows, in their order."""
    lines = (line for line in dict.fromkeys(row.line for row in rows) if line in said)
    return [claimed for line in lines if (claimed := said[line][1]) is not None]


class DynamoRows:
    def __init__(self, desk: Desk, count: CountOf) -> None:
        self._desk = desk
        self._announcing = Announcing(desk)
        self._count = count
        self._apart = Apart(desk)

    async def expect(self, run: RunId, digest: str, rows: int, now: int) -> Run:
        def rule(book: Book, case: Case) -> Run:
            refuse_pruned(case)
            expecting = at_once(MemoryRows(book).expect(run, digest, rows, now))
            case.bits = keys.page_bits(rows) if case.bits is None else case.bits
            return expecting

        return await self._desk.cases.change(run, rule)

    async def take(
        self, run: RunId, digest: str, rows: Sequence[ImportRow], claim: Claiming | None, due: int, now: int
    ) -> Taken:
        case = await self._desk.cases.get(run)
        refuse_pruned(case)
        source = open_import(self._desk.cases.laid_out(case), run, digest)
        await self._desk.cases.paced(case, {row.pace for row in rows})
        if claim is not None and await self._desk.home.is_held(now):
            claim = None
        rows = await self._apart.laid(run, rows)
        said: dict[int, Said] = {}
        async with giving_back(self._desk, lambda: _claims(said, rows), now):
            await self._judge(said, case, source, rows, claim, due, now)
            claims = await self._apart.given_back(_claims(said, rows))
        words = [said[row.line][0] for row in rows]
        return Taken(tuple(claims), *(words.count(word) for word in (FRESH, "duplicate", "already")))

    async def _judge(
        self,
        said: dict[int, Said],
        case: Case,
        source: ImportBook,
        rows: Sequence[ImportRow],
        claim: Claiming | None,
        due: int,
        now: int,
    ) -> None:
        """Says what each row is, by its line."""
        first: dict[int, ImportRow] = {}
        for row in sorted(rows, key=lambda row: row.line):
            first.setdefault(row.hash, row)
        await self._place(said, case, source, list(first.values()), claim, due, now)
        # The others have a mail in their place by now, as it must be.
        others = {row.line: row for row in rows if row.line not in said}
        await self._place(said, case, source, list(others.values()), None, due, now)
        verdicts = {row.line: said[row.line][0] for row in rows if said[row.line][0] is not FRESH}
        await tell(self._desk, source.run, source.digest, verdicts)

    async def _place(
        self,
        said: dict[int, Said],
        case: Case,
        source: ImportBook,
        rows: Sequence[ImportRow],
        claim: Claiming | None,
        due: int,
        now: int,
    ) -> None:
        """Each row is put where its address belongs, or judged by what is there."""
        assert case.bits is not None
        run = case.book.run.id
        todo = [(row, keys.row_id(run, case.bits, row.hash)) for row in rows]
        for probe in range(1, keys.PROBES + 2):
            if not todo:
                return
            worker, lease = (claim.worker, claim.lease) if claim else ("", 0)
            paces = [(id, row.pace) for row, id in todo]
            name = await self._announcing.name(run, source.digest, paces, now, worker, lease)
            made = [self._made(case, source, row, id, name, claim, due, now) for row, id in todo]
            there = await self._desk.table.put_each([(item, None) for item, _ in made], self._desk.token())
            behind: list[tuple[ImportRow, MessageId]] = []
            for (row, _), (item, fresh), found in zip(todo, made, there, strict=True):
                if found is None:
                    said[row.line] = fresh
                    self._desk.placed(item)
            for (row, id), found in zip(todo, all_of(there), strict=True):
                if found is None:
                    continue
                if unpack_message(image_of(found).body).message.hash != row.hash:
                    behind.append((row, keys.row_id(run, case.bits, row.hash, probe)))
                else:
                    said[row.line] = await self._again(source, row, id, claim, due, now)
            todo = behind
        raise LedgerUnavailable("A page of the campaign is full.", "Divide the list.")

    def _made(
        self,
        case: Case,
        source: ImportBook,
        row: ImportRow,
        id: MessageId,
        note: str,
        claim: Claiming | None,
        due: int,
        now: int,
    ) -> tuple[Item, Said]:
        """The row as a new message in its place. One that waits will be claimed by its note."""
        book = _Placed(self._desk.hash_key)
        book.place = id
        book.runs[case.book.run.id] = case.book
        said = take_row(book, source, row, None, claim, due, now)
        message = book.messages[id]
        waiting = note if message.state is State.QUEUED else ""
        return message_item(Shelved(message), told_of(book.journal, id), note=waiting, is_behind=True), said

    async def _again(
        self, source: ImportBook, row: ImportRow, id: MessageId, claim: Claiming | None, due: int, now: int
    ) -> Said:
        """The address has a mail in this campaign."""

        def rule(book: Book, id: MessageId) -> Said:
            return take_row(book, source, row, book.messages[id], claim, due, now)

        return (await self._desk.each([id], rule))[id]

    async def bad(self, run: RunId, digest: str, lines: Sequence[int], now: int) -> None:
        open_import(self._desk.cases.laid_out(await self._desk.cases.get(run)), run, digest)
        await tell(self._desk, run, digest, dict.fromkeys(lines, BAD))

    async def close(self, run: RunId, digest: str, now: int) -> int:
        """Counters may be behind: where they miss something, the rows themselves are counted."""
        case = await self._desk.cases.get(run)
        source = expected_import(self._desk.cases.laid_out(case), run, digest)
        assert source.expected is not None
        if digest in case.told:
            return 0
        lines = await told(self._desk, run, digest)
        rest = source.expected - lines.total()
        if rest > await self._count(run, digest):
            rest -= await self._counted_anew(case, digest)
        else:
            rest = 0
        if rest == 0 and not source.sealed:

            def rule(book: Book, there: Case) -> None:
                if digest not in there.told:
                    end(book, expected_import(book, run, digest), now)
                    there.told[digest] = lines.total()
                    for word, n in lines.items():
                        setattr(there.book, word, getattr(there.book, word) + n)

            await self._desk.cases.change(run, rule)
        return rest

    async def _counted_anew(self, case: Case, digest: str) -> int:
        taken = 0
        async for shelves in all_rows(self._desk, case):
            taken += sum(one.message.source is not None and one.message.source.digest == digest for one in shelves)
        return taken
