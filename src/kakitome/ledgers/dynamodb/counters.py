"""What one message adds to each counter: a function of what lies in its item, and of nothing else.

A counter is the sum over all messages, so a change of a message adds what it adds now less what it added before, and
a recount must find the same. Documents and the cells in them:

    C{run}   m          s{state} (queued by import, too)  t{import}  w{word}  c{total}  k{machine}
                        and the ids of single mails
             g          b{begun} c{begun}: bounced, complained, by when the last attempt began
             d{..}      {domain}, {name}              l{..}   {link}, {name}, in some documents each,
                        and those that there is no room for together
    Cq       {quarter}  {run}, {lane}, {name}
    CL{lane} {..}       a{second} p{second}: accepted by reply, and of these proved
             ~          ^latest: the newest time that the lane's events show

A cell that begins with ^ is no sum but the largest that there ever was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from zlib import crc32

from kakitome.core.delivery import words
from kakitome.core.event import EventKind
from kakitome.core.guard import counts
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.statistics import QUARTER
from kakitome.core.statistics import Cell as Figure
from kakitome.ledgers.dynamodb import keys, notes
from kakitome.ledgers.dynamodb.codec import Shelved, unpack_message
from kakitome.ledgers.dynamodb.items import bytes_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.memory.book import EventBook, Message, heard
from kakitome.ledgers.memory.figures import cells_of, timely_of
from kakitome.ledgers.memory.guards import last_begun

BUCKETS: Final = 32
"""Documents for a run's domains, and for its links: a document has at most 400 KB."""

MOST_OCTETS: Final = 100_000
"""Of the names in one of them. Links may have a token for each recipient, and a stream never ends: what comes when a
document is full is counted together."""

CHUNK: Final = 128
"""Seconds of a lane's acceptances in one document."""

BETWEEN: Final = "\0"
LARGEST: Final = "^"
OTHERS: Final = "…"
QUARTERS: Final = "Cq"
LATEST: Final = "~"
FIRST_ID, LAST_ID, SHOWN = "^first", "^last", "^latest"


class Cell(NamedTuple):
    doc: Key
    name: str


class Change(NamedTuple):
    """What a change of one message adds (never 0), and how large the largest ones are now."""

    sums: dict[Cell, int]
    largest: dict[Cell, int]


NO_CHANGE: Final = Change({}, {})


def is_message(item: Item) -> bool:
    return str(item["pk"])[:1] in "mc"


def change(old: Item | None, new: Item | None) -> Change:
    """Of one record of the stream. What is deleted stays counted."""
    if new is not None and notes.is_note(new):
        return _of_claims(new)
    if new is None or not is_message(new) or (old is not None and bytes_of(old) == bytes_of(new)):
        return NO_CHANGE
    there = unpack_message(bytes_of(new))
    sums = adds(there)
    if old is not None:
        before = unpack_message(bytes_of(old))
        if "c" in new:  # counted when its note said so
            before.message.state = State.SENDING
        sums.subtract(adds(before))
    return Change({cell: n for cell, n in sums.items() if n}, dict(largest(there)))


def _of_claims(note: Item) -> Change:
    """Rows that are claimed by their note: nothing else of what they add is different."""
    run, claims = notes.claims_told(note)
    sums: Counter[Cell] = Counter()
    for claim in claims:
        n = len(notes.rows_of(run, claim))
        sums[Cell(of_run(run), state_cell(State.QUEUED, claim.digest))] -= n
        sums[Cell(of_run(run), state_cell(State.SENDING))] += n
    return Change({cell: n for cell, n in sums.items() if n}, {})


def adds(there: Shelved) -> Counter[Cell]:
    """What a message adds to all sums."""
    m = there.message
    return Counter([*_of_run(m, there.events), *_of_guard(m, there.events), *_of_time(m, there.events)]) + Counter(
        dict(_figures(m, there.events))
    )


def largest(there: Shelved) -> Iterator[tuple[Cell, int]]:
    m = there.message
    if not keys.is_row(m.id):
        yield Cell(of_run(m.run), FIRST_ID), -m.id
        yield Cell(of_run(m.run), LAST_ID), m.id
    newest: dict[str, int] = {}
    for one in there.events:
        if one.fence is not None and one.event.kind is not EventKind.UNKNOWN:
            lane = m.tries[one.fence].lane
            newest[lane] = max(one.event.at, newest.get(lane, one.event.at))
    for lane, at in newest.items():
        yield Cell(latest_of(lane), SHOWN), at


def _of_run(m: Message, events: Iterable[EventBook]) -> Iterator[Cell]:
    doc = of_run(m.run)
    yield Cell(doc, state_cell(m.state, m.source.digest if m.source else ""))
    if m.source is not None:
        yield Cell(doc, taken_cell(m.source.digest))
    for word in words(heard(events)):
        yield Cell(doc, f"w{word}")


def _figures(m: Message, events: list[EventBook]) -> Iterator[tuple[Cell, int]]:
    for (scope, key, name), n in cells_of(m, events).items():
        yield figure_cell(m.run, (scope, key, name)), n


def _of_guard(m: Message, events: Iterable[EventBook]) -> Iterator[Cell]:
    for letter, is_so in zip("bc", counts(heard(events)), strict=True):
        if is_so:
            yield Cell(of_guard(m.run), f"{letter}{last_begun(m)}")


def _of_time(m: Message, events: Iterable[EventBook]) -> Iterator[Cell]:
    for at, lane, name in timely_of(m, events):
        yield Cell(of_quarter(at), f"{m.run:x}{BETWEEN}{lane}{BETWEEN}{name}")
    for attempt in m.tries.values():
        if attempt.cause is Cause.PROVIDER_ACCEPTED and attempt.settled is not None:
            second = attempt.settled // 1000
            yield Cell(of_seconds(attempt.lane, second), f"a{second}")
            if attempt.proved is not None:
                yield Cell(of_seconds(attempt.lane, second), f"p{second}")


# ── Where they lie ──────────────────────────────────────────────────────────────────────────────────────────────────


def of_run(run: RunId) -> Key:
    return Key(f"C{run:x}", "m")


def of_guard(run: RunId) -> Key:
    return Key(f"C{run:x}", "g")


def of_quarter(at: int) -> Key:
    return Key(QUARTERS, _sortable(at // QUARTER))


def quarter_of(doc: Key) -> int:
    """When it begins, in milliseconds."""
    return keys.number_of(doc.sk) * QUARTER


def of_lane(lane: str) -> str:
    return f"CL{lane}"


def of_seconds(lane: str, second: int) -> Key:
    return Key(of_lane(lane), _sortable(second // CHUNK))


def latest_of(lane: str) -> Key:
    return Key(of_lane(lane), LATEST)


def state_cell(state: State, digest: str = "") -> str:
    """Queued rows are told apart by their import: those of one that is not sealed are still coming in."""
    return f"s{state.word}{BETWEEN}{digest}" if state is State.QUEUED else f"s{state.word}"


def taken_cell(digest: str) -> str:
    """Rows that became messages, by their import."""
    return f"t{digest}"


def figure_cell(run: RunId, figure: Figure) -> Cell:
    scope, key, name = figure
    if scope == "":
        return Cell(of_run(run), f"c{name}")
    if scope == "machine":
        return Cell(of_run(run), f"k{key}{BETWEEN}{name}")
    return Cell(Key(f"C{run:x}", f"{scope[0]}{crc32(key.encode()) % BUCKETS:02x}"), f"{key}{BETWEEN}{name}")


def figure_of(sk: str, cell: str) -> Figure | None:
    """The figure that a cell of a run's document is, if it is one."""
    if sk == "m":
        if cell[0] == "c":
            return "", "", cell[1:]
        key, _, name = cell[1:].partition(BETWEEN)
        return ("machine", key, name) if cell[0] == "k" else None
    key, _, name = cell.rpartition(BETWEEN)
    scope = _SCOPES.get(sk[0])
    return None if scope is None else (scope, key, name)


_SCOPES: Final = {"d": "domain", "l": "link"}


def is_bounded(doc: Key) -> bool:
    return doc.sk[0] in _SCOPES and doc.pk != QUARTERS and not doc.pk.startswith(of_lane(""))


class Room:
    """What is left of a bounded document. One that was full once stays so: a name is told by itself or with the
    others, never both."""

    def __init__(self, cells: Mapping[str, int]) -> None:
        self._left = MOST_OCTETS - sum(len(name.encode()) for name in cells)
        self._is_full = is_full(cells)

    def place(self, cells: Mapping[str, int], name: str) -> str:
        """The cell in which this one is counted."""
        if name in cells:
            return name
        self._left -= len(name.encode())
        self._is_full = self._is_full or self._left < 0
        return others(name) if self._is_full else name


def others(name: str) -> str:
    """The cell of a bounded document that counts the same of those that have none by themselves."""
    return f"{OTHERS}{BETWEEN}{name.rpartition(BETWEEN)[2]}"


def is_full(cells: Iterable[str]) -> bool:
    return any(name == others(name) for name in cells)


def bounded(cells: Mapping[str, int]) -> dict[str, int]:
    """The cells of a bounded document, the largest by themselves as long as there is room."""
    found: dict[str, int] = {}
    room = Room(found)
    for name, n in sorted(cells.items(), key=lambda cell: (-cell[1], cell[0])):
        place = room.place(found, name)
        found[place] = found.get(place, 0) + n
    return found


def together(cells: Mapping[str, int]) -> dict[str, int]:
    """All names of a bounded document as if they were the others."""
    found: Counter[str] = Counter()
    for name, n in cells.items():
        found[others(name)] += n
    return {name: n for name, n in found.items() if n}


def id_range(cells: dict[str, int]) -> tuple[MessageId, MessageId] | None:
    """The first and the last single mail of a run."""
    if LAST_ID not in cells:
        return None
    return MessageId(-cells[FIRST_ID]), MessageId(cells[LAST_ID])


def _sortable(number: int) -> str:
    """A provider's time may be any number."""
    return keys.sortable(min(max(0, number), (1 << 63) - 1))
