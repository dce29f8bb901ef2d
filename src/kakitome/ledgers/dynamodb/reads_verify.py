"""The recount: every message is read again, and what it adds must be what the counters say."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Final

from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause
from kakitome.ledgers.dynamodb import counters, feed_gaps
from kakitome.ledgers.dynamodb.codec import Case, Shelved
from kakitome.ledgers.dynamodb.counters import BETWEEN, LARGEST, QUARTERS, Cell, of_lane
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.figures import quartered
from kakitome.ledgers.dynamodb.guards import within
from kakitome.ledgers.dynamodb.items import message_id
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.reads_walk import rows, singles
from kakitome.ledgers.memory.reads import impossible
from kakitome.ports.reads import Discrepancy

HIGHEST: Final = "\U0010ffff"

Sums = dict[Cell, int]


class Recount:
    """Of a ledger at work, what changes while it is counted is left out: it is right when it rests."""

    def __init__(self, desk: Desk, feed: Feed, open: Open) -> None:
        self._desk = desk
        self._feed = feed
        self._open = open

    async def verify(self) -> list[Discrepancy]:
        await self._feed.fresh()
        cases = await self._desk.cases.all()
        before = await self._counted(cases)
        found, impossibles = Counter[Cell](), Counter[str]()
        async for messages in self._all(cases, before):
            for there in messages:
                found.update(counters.adds(there))
                raise_to(found, counters.largest(there))
                impossibles.update(impossible(there.message, _was_said_sent(there)))
        await self._feed.fresh()
        after = await self._counted(cases)
        full = {doc for doc, name in (*before, *after) if counters.is_bounded(doc) and counters.is_full([name])}
        before, counted, recount = (_as_judged(one, cases, full) for one in (before, after, found))
        resting = [cell for cell in {**recount, **counted} if before.get(cell) == counted.get(cell)]
        pruned = pruned_runs(cases)
        wrong = [cell for cell in resting if not _agrees(cell, recount.get(cell, 0), counted.get(cell, 0), pruned)]
        names = {f"{case.book.run.id:x}": case.book.run.name for case in cases}
        gaps = len((await feed_gaps.known(self._desk)).shards)
        lost = (
            [Discrepancy("parts of the stream that were gone before they were read: recount", 0, gaps)] if gaps else []
        )
        return [*lost, *(Discrepancy(what, 0, n) for what, n in impossibles.items())] + [
            Discrepancy(_words(cell, names), recount.get(cell, 0), counted.get(cell, 0)) for cell in sorted(wrong)
        ]

    async def _all(self, cases: Iterable[Case], counted: Sums) -> AsyncIterator[list[Shelved]]:
        """Single mails are looked for as far as the counters know, and as the open ones go."""
        ids: list[int] = []
        for case in cases:
            run = case.book.run
            if run.campaign:
                async for found in rows(self._desk, case):
                    yield found
            else:
                of = {cell.name: n for cell, n in counted.items() if cell.doc == counters.of_run(run.id)}
                ids += counters.id_range(of) or ()
                async for entries in self._open.entries(run.id):
                    ids += [message_id(entry) for entry in entries]
        if ids:
            async for found in singles(self._desk, MessageId(min(ids)), MessageId(max(ids))):
                yield found

    async def _counted(self, cases: Iterable[Case]) -> Sums:
        """A lane is known by its quarters."""
        sums = await self._partition(QUARTERS)
        lanes = sorted({quartered(cell.name)[1] for cell in sums})
        for pk in [f"C{case.book.run.id:x}" for case in cases] + [counters.of_lane(lane) for lane in lanes]:
            sums |= await self._partition(pk)
        return sums

    async def _partition(self, pk: str) -> Sums:
        documents = await self._feed.counters.range(pk, " ", HIGHEST)
        return {Cell(key, name): n for key, cells in documents.items() for name, n in cells.items()}


def pruned_runs(cases: Iterable[Case]) -> set[str]:
    """The runs whose rows were thrown away, as cells name them."""
    owns = {f"{case.book.run.id:x}": case.own for case in cases}
    return {run for run, own in owns.items() if own is not None and own.pruned is not None}


def _agrees(cell: Cell, recounted: int, counted: int, pruned: Collection[str]) -> bool:
    """What was thrown away stays counted: nothing can be said of its cells, and of a lane's only what is too few."""
    run = quartered(cell.name)[0] if cell.doc.pk == QUARTERS else cell.doc.pk[1:]
    if run in pruned:
        return True
    return recounted <= counted if pruned and cell.doc.pk.startswith(of_lane("")) else recounted == counted


def _as_judged(sums: Mapping[Cell, int], cases: Iterable[Case], full: Collection[Key]) -> Sums:
    """Of a guard's cells only what they say within its window: the older ones may be put together. Of a full document
    only what all of its names have together."""
    guards = {counters.of_guard(case.book.run.id): case.book.guard.since for case in cases}
    found = {cell: n for cell, n in sums.items() if cell.doc not in guards and cell.doc not in full}
    for doc in full:
        names = counters.together({cell.name: n for cell, n in sums.items() if cell.doc == doc})
        found |= {Cell(doc, name): n for name, n in names.items()}
    for doc, since in guards.items():
        cells = {cell.name: n for cell, n in sums.items() if cell.doc == doc}
        found |= {Cell(doc, letter): n for letter in "bc" if (n := within(cells, letter, since))}
    return found


def raise_to(found: Counter[Cell], largest: Iterable[tuple[Cell, int]]) -> None:
    for cell, n in largest:
        found[cell] = max(n, found.get(cell, n))


def _was_said_sent(there: Shelved) -> bool:
    return any(entry.kind == Cause.PERSON_SENT for entry in there.history)


def _words(cell: Cell, names: Mapping[str, str]) -> str:
    """What a cell counts, for people."""
    doc, name = cell
    run = names.get(doc.pk[1:])
    if run is not None:
        kind = {"s": "", "w": "delivery ", "c": "figure ", "k": "machine "}.get(name[0], "")
        if doc.sk == "g":
            return f"{run}: {'bounced' if name == 'b' else 'complained'}, as the guard counts"
        is_main = doc.sk == "m" and not name.startswith(LARGEST)
        return f"{run}: {kind}{(name[1:] if is_main else name).replace(BETWEEN, ' ').strip()}"
    if doc.pk == QUARTERS:
        run_id, lane, what = quartered(name)
        return f"{names.get(run_id, run_id)}: {what} by {lane} in a quarter"
    return f"lane {doc.pk[2:]}: {name}"
