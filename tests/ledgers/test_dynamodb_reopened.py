"""A person sends again what gave up while a sweeper closes the campaign: the mail goes all the same."""

from __future__ import annotations

from contextlib import suppress

import pytest

from dynamo_parts import Kill, two_processes
from kakitome.core.errors import StateError
from kakitome.core.lifecycle import Cause
from kakitome.testing.ledger_world import World


@pytest.mark.parametrize("was", ["done", "running"])
@pytest.mark.parametrize("writes", range(3))
def test_what_is_sent_again_waits_in_a_campaign_that_runs(was: str, writes: int) -> None:
    """Whether it was closed before or not, and before whichever write another process finds nothing open in it."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign("a@example.jp")
        [id] = await a.ledger.messages.due(run, 1, a.now)
        [claimed] = await a.claim(id)
        await a.settle(claimed, Cause.EXHAUSTED)
        if was == "done":
            await a.move(run, "done")

        async def closes() -> None:
            with suppress(StateError):
                await b.move(run, "done")

        kill.before(writes, closes)
        assert await a.resolve(id, Cause.PERSON_RESEND) == [id]
        assert [one.id for one in await b.claim(id)] == [id]

    two_processes(story)


def test_a_campaign_that_is_reopened_while_it_is_closed_stays_open() -> None:
    """The sweeper has found nothing open; before it writes so, a person sends a mail again."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign("a@example.jp")
        [id] = await a.ledger.messages.due(run, 1, a.now)
        [claimed] = await a.claim(id)
        await a.settle(claimed, Cause.EXHAUSTED)

        async def again() -> None:
            assert await b.resolve(id, Cause.PERSON_RESEND) == [id]

        kill.before(0, again)
        with pytest.raises(StateError, match="still has open messages"):
            await a.move(run, "done")
        assert [one.id for one in await b.claim(id)] == [id]

    two_processes(story)
