"""Somebody rang: deliver what is due. A ring says nothing else, so its messages are not even read."""

from __future__ import annotations

from typing import Any

from kakitome.aws.composition import Here, Milliseconds, run
from kakitome.sweep import ring


def handler(_: dict[str, Any], context: Any) -> dict[str, Any]:
    """Rings of SQS. An error brings all of them again; what they told of waits in the ledger, and the sweeper rings."""
    run(lambda here: _work(here, context.get_remaining_time_in_millis))
    return {"batchItemFailures": []}


async def _work(here: Here, left: Milliseconds) -> None:
    async with here.errand(left) as errand:
        more = await errand.work()
    if more:
        await ring(here.instance.ledger, here.instance.queue, here.instance.clock)
