"""Going through messages one by one, in the order of their ids, some at a time: without a Scan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from kakitome.core.ids import MessageId, RunId, given_at
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import Case, Shelved, unpack_message
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import bytes_of, message_id

AT_ONCE: Final = 250
SHARDS: Final = 8
"""Partitions that a day's single mails are in."""


async def rows(desk: Desk, case: Case, after: int = 0) -> AsyncIterator[list[Shelved]]:
    """Of a campaign, page by page, those behind an id."""
    run = case.book.run.id
    if case.bits is None or (keys.is_row(after) and keys.run_of(after) > run):
        return
    is_in = keys.is_row(after) and keys.run_of(after) == run
    for page in range(keys.page_of(after) if is_in else 0, 1 << case.bits):
        items = await desk.table.query(keys.page_key(run, page), after=keys.sortable(after))
        if items:
            images = await desk.noted.images(items)
            yield [unpack_message(image.body) for image in images.values()]


async def singles(desk: Desk, first: MessageId, last: MessageId) -> AsyncIterator[list[Shelved]]:
    """Of all streams, from one id to another."""
    for day in keys.single_days(given_at(first), given_at(last)):
        after: str | None = keys.sortable(max(0, first - 1))
        while after is not None:
            found = await asyncio.gather(
                *(desk.table.query(keys.singles_of(day, n), after=after, limit=AT_ONCE) for n in range(SHARDS))
            )
            # Behind the end of a part that is full there may be more of it.
            bound = min((str(part[-1]["sk"]) for part in found if len(part) == AT_ONCE), default=None)
            items = [item for part in found for item in part if bound is None or str(item["sk"]) <= bound]
            if items:
                yield [unpack_message(bytes_of(item)) for item in sorted(items, key=message_id)]
            after = bound


async def of_run(
    desk: Desk, case: Case, ids: tuple[MessageId, MessageId] | None, after: int
) -> AsyncIterator[list[Shelved]]:
    """All messages of a run behind an id; `ids` are the first and the last of its single mails."""
    run: RunId = case.book.run.id
    async for found in rows(desk, case, after):
        yield found
    if ids is not None and after < ids[1]:
        async for found in singles(desk, MessageId(max(ids[0], after + 1)), ids[1]):
            yield [there for there in found if there.message.run == run]
