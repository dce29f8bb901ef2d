"""A child of the Distributed Map: takes rows into the ledger together with their claim, and sends them."""

from __future__ import annotations

from typing import Any

import msgspec

from kakitome.aws.composition import Here, Milliseconds, run
from kakitome.core.errors import StateError
from kakitome.lists.numbered import row_of
from kakitome.mapped import Handed, rows_of


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{"Items": [{index, row, run}, …]}`, or one of them alone; `run` may stand in `BatchInput` instead."""
    return run(lambda here: _child(here, event, context.get_remaining_time_in_millis))


async def _child(here: Here, event: dict[str, Any], left: Milliseconds) -> dict[str, Any]:
    instance, items = here.instance, event.get("Items", [event])
    handed = msgspec.convert((event.get("BatchInput") or items[0])["run"], Handed)
    office = instance.office()
    rows = await rows_of(handed, [(item["index"], item["row"]) for item in items], row_of, office)
    run = await here.campaign(handed.name)
    async with here.child(left) as errand:
        try:
            waiting = await errand.hand_over(run, handed.digest, rows)
        except StateError as error:  # all rows are in the ledger, or the campaign was cancelled: `finish` says which
            return {"items": len(items), "rows": len(rows), "not_taken": error.what}
    if waiting:
        await instance.queue.ring(run.policy.kind.value)
    return {"items": len(items), "rows": len(rows), "waiting": waiting}
