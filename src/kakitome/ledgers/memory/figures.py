"""Figures, each counted anew from the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kakitome.core.engagement import kept
from kakitome.core.ids import MessageId, RunId
from kakitome.core.statistics import QUARTER, TOTALS, Cell, LinkFigures, Totals, adds, domain_of, told
from kakitome.ledgers.memory.book import Book, EventBook, Message, heard
from kakitome.ports.figures import Timely


class MemoryFigures:
    def __init__(self, book: Book) -> None:
        self._book = book

    def _messages(self, runs: Sequence[RunId] | None) -> Iterator[tuple[Message, list[EventBook]]]:
        by_message: dict[MessageId, list[EventBook]] = {}
        for one in self._book.events.values():
            if one.message is not None:
                by_message.setdefault(one.message, []).append(one)
        for message in self._book.messages.values():
            if runs is None or message.run in runs:
                yield message, by_message.get(message.id, [])

    def _cells(self, runs: Sequence[RunId]) -> Counter[Cell]:
        cells: Counter[Cell] = Counter()
        for message, events in self._messages(runs):
            cells.update(cells_of(message, events))
        return cells

    async def totals(self, runs: Sequence[RunId]) -> Totals:
        return totals(self._cells(runs))

    async def domains(self, runs: Sequence[RunId], n: int, domain: str | None = None) -> dict[str, Totals]:
        return domains(self._cells(runs), n, domain)

    async def links(self, runs: Sequence[RunId], n: int) -> list[LinkFigures]:
        return links(self._cells(runs), n)

    async def machines(self, runs: Sequence[RunId]) -> dict[str, tuple[int, int]]:
        return machines(self._cells(runs))

    async def timely(self, since: int, until: int, runs: Sequence[RunId] | None = None) -> list[Timely]:
        counted = Counter(one for message, events in self._messages(runs) for one in timely_of(message, events))
        return sorted(Timely(*key, n) for key, n in counted.items() if since <= key[0] < until)


def cells_of(message: Message, events: Sequence[EventBook]) -> Counter[Cell]:
    """What a message with these events adds to the figures of its run."""
    touches = kept(one.touch for one in events if one.touch is not None)
    return adds(domain_of(message.address), heard(events), touches)


def timely_of(message: Message, events: Iterable[EventBook]) -> Iterator[tuple[int, str, str]]:
    """What it adds to quarters of an hour: when the quarter begins, the lane, the name."""
    for attempt in message.tries.values():
        if attempt.accepted:
            yield attempt.begun // QUARTER * QUARTER, attempt.lane, "accepted"
    for one in events:
        if one.fence is not None:
            for name in told(one.event):
                yield one.event.at // QUARTER * QUARTER, message.tries[one.fence].lane, name


# ── Sums of cells, as they are told ─────────────────────────────────────────────────────────────────────────────────


def totals(cells: Mapping[Cell, int], scope: str = "", key: str = "") -> Totals:
    return Totals(**{name: cells.get((scope, key, name), 0) for name in TOTALS})


def domains(cells: Mapping[Cell, int], n: int, domain: str | None) -> dict[str, Totals]:
    keys = {key for (scope, key, _), many in cells.items() if scope == "domain" and domain in (None, key) and many}
    found = {key: totals(cells, "domain", key) for key in keys}
    return dict(sorted(found.items(), key=lambda each: (-each[1].heard, each[0]))[: n if domain is None else 1])


def links(cells: Mapping[Cell, int], n: int) -> list[LinkFigures]:
    names = ("messages", "clicks", "machine")
    keys = {key for (scope, key, _), many in cells.items() if scope == "link" and many}
    found = [LinkFigures(key, *(cells.get(("link", key, name), 0) for name in names)) for key in keys]
    return sorted(found, key=lambda link: (-link.messages, link.link))[:n]


def machines(cells: Mapping[Cell, int]) -> dict[str, tuple[int, int]]:
    keys = sorted({key for (scope, key, _), many in cells.items() if scope == "machine" and many})
    return {key: (cells.get(("machine", key, "opens"), 0), cells.get(("machine", key, "clicks"), 0)) for key in keys}
