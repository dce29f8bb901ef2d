"""What a person is told of a doubt, before anybody has looked at it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
import pytest
from workshop import LANE, Workshop

from kakitome.core.evidence import NO_PROOF
from kakitome.core.lane import Lane
from kakitome.core.lifecycle import State
from kakitome.core.outcome import Uncertain
from kakitome.recover import doubts

MUTE = msgspec.structs.replace(LANE, provable=False)


@pytest.mark.parametrize(
    ("lanes", "known"),
    [({"ses": LANE}, "Events are being waited for."), ({"ses": MUTE}, NO_PROOF), ({}, NO_PROOF)],
    ids=["events", "none", "no such lane any more"],
)
def test_what_is_waited_for(lanes: Mapping[str, Lane], known: str) -> None:
    """Events where they can come; else a sentence that says that no proof is possible."""

    async def run() -> None:
        shop = Workshop(answer=lambda *_: Uncertain("timeout"))
        await shop.mail()
        await shop.deliver()
        [doubt] = await doubts(shop.ledger, lanes)
        assert (doubt.view.state, doubt.lane, doubt.known) == (State.IN_DOUBT, LANE.name, known)

    asyncio.run(run())
