"""The ledger's table, and those that campaigns have for themselves. Who asks for an item need not know which it is.

A campaign that was begun with a table of its own has its rows there, the notes about them, and what else is only about
its rows; the run says so, from before the first row to ever after. So a partition's name is enough to find its table.
Where such a table was thrown away its items are absent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import RunId
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import unpack_run
from kakitome.ledgers.dynamodb.items import image_of
from kakitome.ledgers.dynamodb.line import Line
from kakitome.ledgers.dynamodb.marshal import Item, Key, Value, key_of
from kakitome.ledgers.dynamodb.own import Own
from kakitome.ledgers.dynamodb.table import Table, Unknown, Write

R = TypeVar("R")


def is_gone(error: LedgerUnavailable) -> bool:
    """Whether there is no such table."""
    return error.data.get("code") == "ResourceNotFoundException"


class Tables(Table):
    """All of them, as one table. A transaction concerns the ledger's own alone."""

    def __init__(self, main: Table) -> None:
        self.main = main
        super().__init__(main.name, main.line, main.meter)
        self._known: dict[RunId, Table | None] = {}

    @property
    def line(self) -> Line:
        return self.main.line

    @line.setter
    def line(self, line: Line) -> None:
        self.main.line = line

    def beside(self, name: str) -> Table:
        return self.main.beside(name)

    async def close(self) -> None:
        await self.main.close()

    async def get(self, key: Key, strong: bool = True) -> Item | None:
        return await self._at(keys.campaign_of(key.pk), lambda table: table.get(key, strong), None)

    async def get_many(self, wanted: Iterable[Key], strong: bool = True) -> dict[Key, Item]:
        by_run: dict[RunId | None, list[Key]] = {}
        for key in wanted:
            by_run.setdefault(await self._shelf(keys.campaign_of(key.pk)), []).append(key)
        reads = (self._at(run, _many(some, strong), dict[Key, Item]()) for run, some in by_run.items())
        return {key: item for part in await asyncio.gather(*reads) for key, item in part.items()}

    async def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        after: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        strong: bool = True,
        forward: bool = True,
    ) -> list[Item]:
        def ask(table: Table) -> Awaitable[list[Item]]:
            return table.query(
                pk, index=index, after=after, since=since, until=until, limit=limit, strong=strong, forward=forward
            )

        return await self._at(keys.campaign_of(pk, index), ask, [])

    async def put(self, item: Mapping[str, Value], expected: int | None, token: bytes) -> Item | None:
        """What is put where the table was thrown away finds that somebody was faster: there is nothing now."""
        return await self._at(keys.campaign_of(key_of(item).pk), lambda table: table.put(item, expected, token), {})

    async def put_each(
        self, writes: Sequence[tuple[Mapping[str, Value], int | None]], token: bytes
    ) -> list[Item | Unknown | None]:
        by_run: dict[RunId | None, list[int]] = {}
        for k, (item, _) in enumerate(writes):
            by_run.setdefault(await self._shelf(keys.campaign_of(key_of(item).pk)), []).append(k)
        answers: list[Item | Unknown | None] = [None] * len(writes)
        for run, some in by_run.items():
            for k, answer in zip(some, await self._put_some(run, [writes[k] for k in some], token), strict=True):
                answers[k] = answer
        return answers

    async def _put_some(
        self, run: RunId | None, writes: Sequence[tuple[Mapping[str, Value], int | None]], token: bytes
    ) -> Sequence[Item | Unknown | None]:
        nothing: list[Item | Unknown | None] = [{} for _ in writes]

        async def ask(table: Table) -> list[Item | Unknown | None]:
            answers = await table.put_each(writes, token)
            for answer in answers:
                if isinstance(answer, Unknown) and is_gone(answer.error):
                    raise answer.error
            return answers

        return await self._at(run, ask, nothing)

    async def put_blindly(self, items: Iterable[Mapping[str, Value]]) -> None:
        by_run: dict[RunId | None, list[Mapping[str, Value]]] = {}
        for item in items:
            by_run.setdefault(await self._shelf(keys.campaign_of(key_of(item).pk)), []).append(item)
        for run, some in by_run.items():
            await self._at(run, _blindly(some), None)

    async def delete(self, key: Key, expected: int | None, token: bytes) -> bool:
        return await self._at(keys.campaign_of(key.pk), lambda table: table.delete(key, expected, token), True)

    async def transact(self, writes: Sequence[Write], token: bytes) -> None:
        await self.main.transact(writes, token)

    # ── Which ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _of(self, run: RunId | None) -> Table | None:
        """The table that has the rows of a run; None: it was thrown away."""
        if run is None:
            return self.main
        if run not in self._known:
            item = await self.main.get(keys.run(run))
            if item is None:
                return self.main
            case = unpack_run(image_of(item).body)
            self._known[run] = self.main if case.own is None else self._beside(case.own)
        return self._known[run]

    async def _shelf(self, run: RunId | None) -> RunId | None:
        """The run, where it has a table of its own: of all others, items are asked for together."""
        return None if await self._of(run) is self.main else run

    def _beside(self, own: Own) -> Table | None:
        return None if own.pruned is not None else self.main.beside(own.table)

    async def _at(self, run: RunId | None, ask: Callable[[Table], Awaitable[R]], nothing: R) -> R:
        table = await self._of(run)
        if table is None:
            return nothing
        try:
            return await ask(table)
        except LedgerUnavailable as error:
            if run is None or not is_gone(error) or table is self.main:
                raise
            self._known.pop(run, None)
            if await self._of(run) is not None:
                raise _lost(table.name, error) from error
            return nothing


def _lost(table: str, error: LedgerUnavailable) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"Rows of a campaign lay in {table}, and there is no such table. Nothing of it can be seen or sent.",
        "If it was thrown away after the backup that this ledger was restored from, kakitome ledger prune "
        "--campaign NAME says so here, too; the table's name has the campaign's in it.",
        **error.data,
    )


def _many(wanted: Sequence[Key], strong: bool) -> Callable[[Table], Awaitable[dict[Key, Item]]]:
    return lambda table: table.get_many(wanted, strong)


def _blindly(items: Sequence[Mapping[str, Value]]) -> Callable[[Table], Awaitable[None]]:
    return lambda table: table.put_blindly(items)
