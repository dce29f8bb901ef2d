"""Lines of an expected list that became no message: an item each, so that a line which is told twice counts once. Once
the list is closed, its run has counted them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from kakitome.core.ids import RunId
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.counters import taken_cell
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.memory.rows import ALREADY, BAD, DUPLICATE


async def tell(desk: Desk, run: RunId, digest: str, verdicts: Mapping[int, str]) -> None:
    """By line."""
    told = keys.told_lines(run, digest)
    items = [body_item(Key(told, keys.sortable(line)), b"") | {"s": verdict} for line, verdict in verdicts.items()]
    await desk.table.put_many([(item, None) for item in items], desk.token())


async def told(desk: Desk, run: RunId, digest: str) -> Counter[str]:
    """How many lines, by verdict."""
    return Counter(str(item["s"]) for item in await desk.table.query(keys.told_lines(run, digest)))


async def told_and_missing(desk: Desk, case: Case, cells: Mapping[str, int]) -> dict[str, int]:
    """What became of the rows of a run that are no messages, by the names of the account."""
    book, missing = case.book, 0
    lines = Counter({BAD: book.invalid, DUPLICATE: book.duplicate, ALREADY: book.already})
    for source in case.imports:
        if source.expected is None:
            continue
        if (n := case.told.get(source.digest)) is None:
            counted = await told(desk, book.run.id, source.digest)
            lines += counted
            n = counted.total()
        missing += source.expected - n - cells.get(taken_cell(source.digest), 0)
    return {BAD: lines[BAD], DUPLICATE: lines[DUPLICATE], ALREADY: lines[ALREADY], "missing": missing}
