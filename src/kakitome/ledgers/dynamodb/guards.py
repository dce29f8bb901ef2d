"""What the guard asks and says of runs. The figures are counters; its window and its word lie with the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kakitome.core.guard import Verdict
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import State
from kakitome.ledgers.dynamodb import counters
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.counters import state_cell
from kakitome.ledgers.dynamodb.counters_kept import Cells
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.guards_streams import StreamGuards
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.memory.book import Book
from kakitome.ledgers.memory.guards import MemoryGuards, watched
from kakitome.ports.guards import Watched, WatchedStream

MANY: Final = 2_000
"""Cells of a guard's document above which they are put together."""

FRESH: Final = 600_000
"""Milliseconds that are left as they are: no window begins so long before the newest mail."""


class DynamoGuards:
    def __init__(self, desk: Desk, feed: Feed) -> None:
        self._desk = desk
        self._feed = feed
        self._streams = StreamGuards(desk)

    async def watched(self, campaign: RunId | None = None, since: int | None = None) -> Sequence[Watched]:
        if campaign is None:
            cases = [case for case in await self._desk.cases.all() if _is_watched(case, since)]
        else:
            cases = list((await self._desk.cases.of([campaign])).values())
        await self._feed.fresh()
        cases.sort(key=lambda case: case.book.run.id)
        keys = [doc(case.book.run.id) for case in cases for doc in (counters.of_run, counters.of_guard)]
        read = await self._feed.counters.read(keys)
        return [await self._watched(case, read) for case in cases]

    async def _watched(self, case: Case, read: dict[Key, Cells]) -> Watched:
        run, since = case.book.run.id, case.book.guard.since
        states, cells = read.get(counters.of_run(run), {}), read.get(counters.of_guard(run), {})
        if len(cells) > MANY:
            await self._feed.counters.rewrite(counters.of_guard(run), lambda there: put_together(there, since))
        sent = states.get(state_cell(State.SENT), 0) + states.get(state_cell(State.SENDING), 0)
        return watched(case.book, sent, within(cells, "b", since), within(cells, "c", since))

    async def say(self, run: RunId, since: int, verdict: Verdict, now: int) -> bool:
        def rule(book: Book, case: Case) -> bool:
            return at_once(MemoryGuards(book).say(run, since, verdict, now))

        return await self._desk.cases.change(run, rule)

    async def begin_window(self, run: RunId, since: int, now: int) -> bool:
        await self._feed.fresh()
        key = counters.of_run(run)
        sent = (await self._feed.counters.read([key])).get(key, {}).get(state_cell(State.SENT), 0)

        def rule(book: Book, case: Case) -> bool:
            begun = at_once(MemoryGuards(book).begin_window(run, since, now))
            if begun:
                case.book.guard.sent_before = sent
            return begun

        return await self._desk.cases.change(run, rule)

    async def streams(self) -> Sequence[WatchedStream]:
        return await self._streams.all()

    async def say_of_stream(self, stream: str, since: int, verdict: Verdict, now: int) -> Sequence[RunId] | None:
        return await self._streams.say(stream, since, verdict, now)

    async def begin_stream_window(self, stream: str, since: int, to: int) -> bool:
        return await self._streams.begin_window(stream, since, to)


def _is_watched(case: Case, since: int | None) -> bool:
    run = case.book.run
    return run.state == "running" or (
        since is not None and run.campaign and run.state == "done" and run.created >= since
    )


def within(cells: Cells, letter: str, since: int) -> int:
    """Of the mail whose last attempt began since then."""
    return sum(n for cell, n in cells.items() if cell[0] == letter and int(cell[1:]) >= since)


def put_together(cells: Cells, since: int) -> Cells:
    """The same for this window and for every one that may begin yet: what is before this one counts no more, and what
    is well before the newest mail is in all of them or in none."""
    newest = max(int(cell[1:]) for cell in cells)
    found: Cells = {}
    old = [int(cell[1:]) for cell in cells if since <= int(cell[1:]) < newest - FRESH]
    for cell, n in cells.items():
        begun = int(cell[1:])
        if begun >= since:
            name = f"{cell[0]}{max(old) if begun < newest - FRESH else begun}"
            found[name] = found.get(name, 0) + n
    return {name: n for name, n in found.items() if n}
