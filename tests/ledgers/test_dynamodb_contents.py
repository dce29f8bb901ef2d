"""A mail may be larger than an item: its content lies in several."""

from __future__ import annotations

from random import Random

import pytest

from dynamo_parts import Killed, Parts, all_items, play
from kakitome.core.ids import MessageId
from kakitome.core.message import Admitted
from kakitome.ledgers.dynamodb.marshal import written
from kakitome.ledgers.dynamodb.sizes import size
from kakitome.testing.ledger_world import HOUR, World

LARGEST = 400 * 1024  # Amazon DynamoDB Developer Guide, "Quotas"
LARGE = Random(5).randbytes(1_000_000)  # an attachment does not deflate
SMALL = b'{"subject":"Hello"}'


async def submission_of(w: World, id: MessageId) -> bytes:
    [claimed] = await w.claim(id)
    assert claimed.submission is not None
    return (await w.ledger.messages.contents([claimed.submission]))[claimed.submission]


def test_a_mail_of_a_megabyte_is_kept_whole() -> None:
    """Beside a small one, in items that DynamoDB takes."""

    async def story(w: World, parts: Parts) -> None:
        large, small = [(await w.admit(content=content))[0] for content in (LARGE, SMALL)]
        assert await submission_of(w, large) == LARGE
        assert await submission_of(w, small) == SMALL
        assert max(size(written(item)) for item in all_items(parts.table)) < LARGEST

    play(story)


@pytest.mark.parametrize("writes", range(6))
def test_whoever_dies_while_it_comes_in_leaves_no_part_of_a_mail(writes: int) -> None:
    """After any number of writes: what is handed in again with its key is one mail, and whole."""

    async def story(w: World, parts: Parts) -> None:
        run = await w.stream()
        new = w.submission(run, content=LARGE, key="k", body_hash="h", key_until=w.now + HOUR)
        parts.kill.left = writes
        with pytest.raises(Killed):
            await w.ledger.messages.admit([new], w.now)
        parts.kill.left = None
        again = World(parts.reopened())  # type: ignore[arg-type]
        [admitted] = await again.ledger.messages.admit([new], w.now)
        assert isinstance(admitted, Admitted)
        [id] = await again.ledger.messages.due(run, 9, w.now)
        assert admitted.messages == (id,)
        assert await submission_of(again, id) == LARGE

    play(story)
