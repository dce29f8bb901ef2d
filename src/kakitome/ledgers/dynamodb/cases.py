"""Runs with their imports: one item each, changed like messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

from kakitome.core.errors import LedgerUnavailable, NotFound, StateError
from kakitome.core.ids import RunId
from kakitome.core.message import Entry, Run
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import Case, pack_run, unpack_run
from kakitome.ledgers.dynamodb.items import Image, body_item, entry_of, image_of
from kakitome.ledgers.dynamodb.marshal import Item, key_of
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ledgers.memory.book import Book

TRIES = 100

R = TypeVar("R")


class Cases:
    def __init__(self, table: Table, book: Callable[[], Book], token: Callable[[], bytes]) -> None:
        self._table = table
        self._book = book
        self._token = token

    async def of(self, runs: Collection[RunId]) -> dict[RunId, Case]:
        """Those of these runs that exist, as they are now."""
        read = await self._table.get_many([keys.run(run) for run in runs])
        return {case.book.run.id: case for case in (unpack_run(image_of(item).body) for item in read.values())}

    async def get(self, run: RunId) -> Case:
        """Raises `NotFound`."""
        if (case := (await self.of([run])).get(run)) is None:
            raise NotFound(f"There is no run {run}.")
        return case

    async def all(self) -> list[Case]:
        """All runs, newest first."""
        return _newest_first(await self._table.query(keys.RUNS))

    async def live(self) -> list[Case]:
        """Those that may have something open, newest first: a campaign that is done has nothing. Which they are the
        index says, which may be a moment behind; whoever is at work looks for them all the time, and for no others."""
        entries = await self._table.query(keys.LIVE, index="open")
        read = await self._table.get_many([key_of(entry) for entry in entries])
        return [case for case in _newest_first(read.values()) if is_live(case.book.run)]

    async def named(self, name: str) -> Case | None:
        pointer = await self._table.get(keys.run_name(name))
        return None if pointer is None else await self.get(RunId(int.from_bytes(image_of(pointer).body, "big")))

    async def change(self, run: RunId, rule: Callable[[Book, Case], R]) -> R:
        """Apply the rule to a book with this run and its imports. Raises `NotFound`, and what the rule raises."""

        async def looked(book: Book, case: Case) -> R:
            return rule(book, case)

        return await self.change_looking(run, looked)

    async def change_looking(self, run: RunId, rule: Callable[[Book, Case], Awaitable[R]], *, anew: bool = False) -> R:
        """The same with a rule that looks at other things: where the run was changed meanwhile, it looks again. With
        `anew` the run is written also where nothing of it is different, for those who look."""
        for _ in range(TRIES):
            item = await self._table.get(keys.run(run))
            if item is None:
                raise NotFound(f"There is no run {run}.")
            image = image_of(item)
            case = unpack_run(image.body)
            book = self.laid_out(case)
            said = await rule(book, case)
            if await self._put_back(case, book, image, anew):
                return said
        raise LedgerUnavailable("Too many others change the same run at the same time.", "Ask again.")

    async def paced(self, case: Case, paces: Collection[str]) -> None:
        """Said before mail of these paces is there: whoever asks which there are looks for no others."""

        def rule(_: Book, there: Case) -> None:
            there.paces = tuple(sorted({*there.paces, *paces}))

        if not set(paces) <= set(case.paces):
            await self.change(case.book.run.id, rule)

    def laid_out(self, case: Case) -> Book:
        book, run = self._book(), case.book.run.id
        book.runs[run] = case.book
        book.imports = {(run, source.digest): source for source in case.imports}
        return book

    async def _put_back(self, case: Case, book: Book, image: Image, anew: bool) -> bool:
        case.imports = list(book.imports.values())
        if pack_run(case) == image.body and not book.journal and not anew:
            return True
        return await self._table.put(case_item(case, book.journal), image.revision, self._token()) is None

    async def revive(self, run: RunId, told: Entry, *, anew: bool = False) -> None:
        """A person's word, `told`, sets a campaign going again that is done. With `anew` whoever finds nothing open in
        it at this moment looks again."""

        async def rule(book: Book, case: Case) -> None:
            refuse_pruned(case)
            if case.book.run.state == "done":
                book.set_state(run, "running")
                book.enter(told.at, "campaign_running", run=run, who=told.data["who"])

        await self.change_looking(run, rule, anew=anew)


def is_live(run: Run) -> bool:
    return run.state != "done"


def _newest_first(items: Iterable[Item]) -> list[Case]:
    cases = [unpack_run(image_of(item).body) for item in items]
    return sorted(cases, key=lambda case: (-case.book.run.created, -case.book.run.id))


def refuse_pruned(case: Case) -> None:
    """Raises `StateError` where the campaign's rows were thrown away."""
    if case.own is not None and case.own.pruned is not None:
        raise StateError(
            f"The rows of the campaign {case.book.run.name!r} were thrown away, with the table {case.own.table}. "
            "Its account is still there, and nothing can be added to it.",
            "Begin another campaign.",
        )


def case_item(case: Case, told: Sequence[Entry]) -> Item:
    """The run as it shall lie there, with the entries of this change."""
    case.history += [entry_of(entry) for entry in told]
    key = keys.run(case.book.run.id)
    index = {"o": keys.LIVE, "w": key.sk} if is_live(case.book.run) else {}
    return body_item(key, pack_run(case), told) | index
