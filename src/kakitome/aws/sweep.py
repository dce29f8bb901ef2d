"""By the clock: what nobody else does. One pass of all that a worker process does beside its mail."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from kakitome import guard
from kakitome.alerting import watch_of
from kakitome.aws.composition import Here, run
from kakitome.sweep import reap, ring, sweep

log = logging.getLogger("kakitome.aws")


def handler(_: dict[str, Any], __: object) -> None:
    """Each part by itself; that one failed is said by the function's error when all had their turn."""
    run(_pass)


async def _pass(here: Here) -> None:
    instance, failed = here.instance, []
    ledger, clock = instance.ledger, instance.clock

    async def doubts() -> None:
        await instance.canaries().fly(await sweep(ledger, instance.lanes, clock))

    parts: dict[str, Callable[[], Awaitable[object]]] = {
        "limits": here.ways.allowances.refresh,
        "workers": lambda: reap(ledger, instance.host, clock),
        "doubts": doubts,
        "guard": lambda: guard.look(ledger, instance.mailing.rules, clock),
        "alerts": watch_of(instance.config, instance.lanes, ledger, clock).once,
        "bells": lambda: ring(ledger, instance.queue, clock),
    }
    for name, part in parts.items():
        try:
            await part()
        except Exception:
            log.exception("The pass of %s ended in an error; it comes again in a minute.", name)
            failed.append(name)
    if failed:
        raise RuntimeError(f"Not done in this minute: {', '.join(failed)}. The log says why.")
