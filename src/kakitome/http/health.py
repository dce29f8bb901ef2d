"""Does it live, and can it take mail."""

from __future__ import annotations

import shutil

from litestar import get

from kakitome.core.errors import LedgerUnavailable
from kakitome.http.edge import Asked, edge

LEAST_ROOM = 64 * 1024 * 1024  # bytes


@get("/healthz")
async def live(request: Asked) -> dict[str, str]:
    """The process answers. Restart it where this fails; the disk's troubles are `readyz`'s."""
    return {"status": "alive"}


@get("/readyz")
async def ready(request: Asked) -> dict[str, str]:
    """The ledger gives its turn to write, and its disk has room. Else 503: send callers elsewhere."""
    instance = edge(request).instance
    await instance.ledger.messages.admit([], instance.clock.now())
    room = shutil.disk_usage(instance.folder).free
    if room < LEAST_ROOM:
        raise LedgerUnavailable(
            f"The ledger's disk has only {room // 1024**2} MiB left.", "Make room, or move the ledger.", free_bytes=room
        )
    return {"status": "ready"}
