"""The doors through which mail servers' delivery reports come in, as the configuration has them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from kakitome.config import Config
from kakitome.core.event import Event
from kakitome.ingest import ingest
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.sources.dsn_directory import DsnDirectory
from kakitome.sources.dsn_intake import Intake

SHELVES = "bounces"
"""Where, beside the ledger, the mails of the SMTP door are kept that are no report of ours."""


def bounce_doors(
    config: Config, ledger: Ledger, clock: Clock, folder: Path, step: Callable[[str], None] = lambda _: None
) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """What `Instance.beside` runs for `[events] dsn_directory` and `dsn_address`. Nothing is opened here."""

    async def take(events: Sequence[Event]) -> None:
        await ingest(events, ledger, clock, step)

    intake, table = Intake(ledger, take, clock), config.events
    doors: list[Callable[[], Coroutine[Any, Any, None]]] = []
    if table.dsn_directory is not None:
        doors.append(DsnDirectory(Path(table.dsn_directory), intake, clock).run)
    if table.dsn_address is not None:
        from kakitome.sources.dsn_smtp import DsnServer  # aiosmtpd, which few need

        host, _, port = table.dsn_address.rpartition(":")
        senders = {lane.sender for lane in config.lanes.values() if lane.provider == "smtp" and lane.sender}
        doors.append(DsnServer(host.strip("[]"), int(port), senders, intake, folder / SHELVES).run)
    return doors
