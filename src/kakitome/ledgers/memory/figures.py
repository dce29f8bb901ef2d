"""Figures, each counted anew from the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kakitome.core.delivery import NOTHING, fold
from kakitome.core.engagement import kept, touch_of
from kakitome.core.ids import MessageId, RunId
from kakitome.core.statistics import QUARTER, TOTALS, Cell, LinkFigures, Totals, adds, domain_of, told
from kakitome.ledgers.memory.book import Book, EventBook
from kakitome.ports.figures import Timely


class MemoryFigures:
    def __init__(self, book: Book) -> None:
        self._book = book

    def _cells(self, runs: Sequence[RunId]) -> Counter[Cell]:
        by_message: dict[MessageId, list[EventBook]] = {}
        for one in self._book.events.values():
            if one.message is not None:
                by_message.setdefault(one.message, []).append(one)
        cells: Counter[Cell] = Counter()
        for id, events in by_message.items():
            message = self._book.messages[id]
            if message.run in runs:
                delivery = NOTHING
                for one in events:
                    delivery = fold(delivery, one.event)
                touches = kept(touch for one in events if (touch := touch_of(one.event)))
                cells.update(adds(domain_of(message.address), delivery, touches))
        return cells

    async def totals(self, runs: Sequence[RunId]) -> Totals:
        cells = self._cells(runs)
        return Totals(**{name: cells["", "", name] for name in TOTALS})

    async def domains(self, runs: Sequence[RunId], n: int, domain: str | None = None) -> dict[str, Totals]:
        cells = self._cells(runs)
        keys = {key for scope, key, _ in cells if scope == "domain" and domain in (None, key)}
        found = {key: Totals(**{name: cells["domain", key, name] for name in TOTALS}) for key in keys}
        return dict(sorted(found.items(), key=lambda each: (-each[1].heard, each[0]))[: n if domain is None else 1])

    async def links(self, runs: Sequence[RunId], n: int) -> list[LinkFigures]:
        cells = self._cells(runs)
        names = ("messages", "clicks", "machine")
        keys = {key for scope, key, _ in cells if scope == "link"}
        found = [LinkFigures(key, *(cells["link", key, name] for name in names)) for key in keys]
        return sorted(found, key=lambda link: (-link.messages, link.link))[:n]

    async def machines(self, runs: Sequence[RunId]) -> dict[str, tuple[int, int]]:
        cells = self._cells(runs)
        keys = sorted({key for scope, key, _ in cells if scope == "machine"})
        return {key: (cells["machine", key, "opens"], cells["machine", key, "clicks"]) for key in keys}

    async def timely(self, since: int, until: int, runs: Sequence[RunId] | None = None) -> list[Timely]:
        counted = Counter(
            (at // QUARTER * QUARTER, lane, name)
            for run, lane, at, name in (*self._accepted(), *self._told())
            if runs is None or run in runs
        )
        return sorted(Timely(*key, n) for key, n in counted.items() if since <= key[0] < until)

    def _accepted(self) -> Iterator[tuple[RunId, str, int, str]]:
        for message in self._book.messages.values():
            for attempt in message.tries.values():
                if attempt.accepted:
                    yield message.run, attempt.lane, attempt.begun, "accepted"

    def _told(self) -> Iterator[tuple[RunId, str, int, str]]:
        for one in self._book.events.values():
            if one.message is not None and one.fence is not None:
                message = self._book.messages[one.message]
                for name in told(one.event):
                    yield message.run, message.tries[one.fence].lane, one.event.at, name
