"""Small things that change as a whole: a few documents are read, a rule says what they become, and what is different is
put back over what was read. One of them by itself, several in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.dynamodb.table import Conflict, Put

TRIES = 40

R = TypeVar("R")
Bodies = list[bytes | None]
Rule = Callable[[Sequence[bytes | None]], tuple[Bodies, Sequence[Entry], R]]
"""Of the bodies (None: there is none yet) makes the new ones, the journal entries of the change, and an answer. It may
be asked several times."""


async def change(desk: Desk, keys: Sequence[Key], rule: Rule[R]) -> R:
    """What the rule answers, once its change is durable. Where somebody was faster, it is asked again."""
    for attempt in range(1, TRIES + 1):
        read = await desk.table.get_many(keys)
        there = [image_of(read[key]) if key in read else None for key in keys]
        bodies = [None if image is None else image.body for image in there]
        new, told, answer = rule(bodies)
        revisions = [None if image is None else image.revision for image in there]
        changed = [k for k in range(len(keys)) if new[k] is not None and new[k] != bodies[k]]
        if not changed and told:
            changed = [next(k for k, body in enumerate(new) if body is not None)]
        puts = [_put(keys[k], new[k], told if k == changed[0] else (), revisions[k]) for k in changed]
        if not puts or await _written(desk, puts):
            return answer
        await desk.table.line.pause(attempt)
    raise LedgerUnavailable("Too many others change the same thing at the same time.", "It is tried again by itself.")


def _put(key: Key, body: bytes | None, told: Sequence[Entry], expected: int | None) -> Put:
    assert body is not None
    return Put(body_item(key, body, told), expected)


async def _written(desk: Desk, puts: Sequence[Put]) -> bool:
    if len(puts) == 1:
        there: Item | None = await desk.table.put(puts[0].item, puts[0].expected, desk.token())
        return there is None
    try:
        await desk.table.transact(puts, desk.token())
    except Conflict:
        return False
    return True
