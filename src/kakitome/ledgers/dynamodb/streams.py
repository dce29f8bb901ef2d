"""The streams of all tables of a ledger, as one: that of its own, and those of campaigns with a table for themselves.

A shard of a campaign's table is named after its run. Such a table is read until it is thrown away: then its shards have
ended.
"""

from __future__ import annotations

from typing import Final

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.stream import Record, Shard, Stream
from kakitome.ledgers.dynamodb.tables import is_gone

GONE: Final = ""
"""The iterator of a shard that has gone with its table."""

_BETWEEN: Final = "/"


class Streams:
    """`begun`: a run has begun since the shards were asked for, so there may be another table."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._main = Stream(desk.table)
        self._own: dict[str, Stream] = {}
        self.begun = False

    async def close(self) -> None:
        await self._main.close()

    async def shards(self) -> list[Shard]:
        """Parents before their children."""
        self.begun = False
        found = await self._main.shards()
        for name, table in (await self._tables()).items():
            stream = self._own.setdefault(name, self._main.beside(self._desk.table.beside(table)))
            try:
                found += [_named(name, shard) for shard in await stream.shards()]
            except LedgerUnavailable as error:
                if not is_gone(error):
                    raise
        return found

    async def begin(self, shard: str, after: str | None) -> str:
        stream, id = self._of(shard)
        try:
            return await stream.begin(id, after)
        except LedgerUnavailable as error:
            if stream is self._main or not is_gone(error):
                raise
            return GONE

    async def read(self, shard: str, iterator: str) -> tuple[list[Record], str | None]:
        stream, id = self._of(shard)
        if stream is self._main:
            records, following = await stream.read(id, iterator)
            self.begun |= any(_is_new_run(record) for record in records)
            return records, following
        try:
            if iterator == GONE:
                return [], None
            records, following = await stream.read(id, iterator)
        except LedgerUnavailable as error:
            if not is_gone(error):
                raise
            return [], None
        return [record._replace(shard=shard) for record in records], following

    async def _tables(self) -> dict[str, str]:
        """Those of campaigns, by the run's name for its shards."""
        owns = ((case.book.run.id, case.own) for case in await self._desk.cases.all())
        return {f"{run:x}": own.table for run, own in owns if own is not None and own.pruned is None}

    def _of(self, shard: str) -> tuple[Stream, str]:
        run, between, id = shard.partition(_BETWEEN)
        return (self._own[run], id) if between else (self._main, shard)


def _named(run: str, shard: Shard) -> Shard:
    parent = None if shard.parent is None else f"{run}{_BETWEEN}{shard.parent}"
    return Shard(f"{run}{_BETWEEN}{shard.id}", parent)


def _is_new_run(record: Record) -> bool:
    return record.old is None and record.new is not None and record.new["pk"] == keys.RUNS
