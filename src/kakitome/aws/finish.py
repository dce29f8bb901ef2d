"""The last function of a run: are all rows in the ledger, and is the campaign done?"""

from __future__ import annotations

from typing import Any

from kakitome.aws.composition import Here, run
from kakitome.mapped import account


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """`{mail_id, plan: {run}}` → `{missing, done, campaign, state, rows}`. Rows that are missing are the state
    machine's failure, and come with the same input once more."""
    return run(lambda here: _finish(here, event["mail_id"], event["plan"]["run"]["digest"]))


async def _finish(here: Here, name: str, digest: str) -> dict[str, Any]:
    return await account(name, digest, here.instance.ledger, here.instance.clock.now())
