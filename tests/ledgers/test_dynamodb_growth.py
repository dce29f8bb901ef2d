"""What a mail keeps of attempts that cost it nothing: a lane may be shut for weeks, and an item has an end."""

from __future__ import annotations

import pytest

from dynamo_parts import Parts, play
from kakitome.core.lifecycle import Cause, State
from kakitome.ledgers.dynamodb.items import FOR_NOTHING
from kakitome.testing.ledger_world import World


@pytest.mark.parametrize("cause", [Cause.RELEASED, Cause.UNAVAILABLE])
def test_a_mail_that_nobody_takes_for_weeks_stays_small(cause: Cause) -> None:
    """It was given back, or its lane refused it, again and again: the newest of these attempts are kept, and whatever
    else became of it."""

    async def story(w: World, parts: Parts) -> None:
        first = claimed = await w.one()
        await w.settle(first, Cause.DEFERRED, due=w.now)
        for _ in range(2 * FOR_NOTHING):
            claimed = await w.again(claimed)
            await w.settle(claimed, cause, due=w.now)
        attempts = await w.attempts(claimed.id)
        assert await w.state(claimed.id) is State.QUEUED
        assert [one.cause for one in attempts] == [Cause.DEFERRED] + [cause] * (len(attempts) - 1)
        assert attempts[-1].fence == claimed.fence
        assert FOR_NOTHING <= len(attempts) - 1 <= FOR_NOTHING + 1

    play(story)
