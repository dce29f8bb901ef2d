"""The ledger that the configuration names, and the folder on this machine that goes with it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import SystemRandom
from typing import Any, Protocol

from kakitome.config import Config, milliseconds
from kakitome.core.errors import ConfigurationError
from kakitome.core.suppression import TransientLimit
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.reads import Recounted


class Store(Ledger, Protocol):
    """A ledger that may have been restored from a backup."""

    async def held(self) -> str | None:
        """Why this ledger claims nothing: it was restored from a backup. None: it is not held."""
        ...

    async def release(self, who: str, note: str, now: int) -> bool:
        """A person's word that a restored ledger may send again."""
        ...

    async def recount(self, now: int) -> Recounted:
        """Counters anew from the messages. Raises `StateError` where they cannot have lost anything."""
        ...

    async def prune(self, campaign: str, who: str, window: int, now: int) -> str:
        """Throw away the rows of a finished campaign, whose account stays; events of it are waited for during `window`
        milliseconds. Answers the name of what is gone. Raises `NotFound`, and `StateError` where they must stay."""
        ...


def folder_of(config: Config) -> Path:
    """Where the workers' locks and marks, rejects and the outbox lie."""
    if config.ledger.folder is not None:
        return Path(config.ledger.folder)
    path = _sqlite_path(config)
    return Path("kakitome-data") if path is None else path.parent


async def store_of(config: Config, clock: Clock) -> Store:
    """Raises `ConfigurationError`, `LedgerUnavailable`."""
    table = config.suppression
    transient = TransientLimit(
        table.transient_limit, milliseconds(table.transient_window, "suppression.transient_window")
    )
    path = _sqlite_path(config)
    return await _dynamodb(config, clock, transient) if path is None else SqliteLedger(path, transient)


def _sqlite_path(config: Config) -> Path | None:
    """None where the ledger is in DynamoDB."""
    scheme, _, rest = config.ledger.url.partition("://")
    if scheme == "dynamodb":
        return None
    if scheme != "sqlite":
        raise ConfigurationError(
            f"ledger.url begins with {scheme}://, which this version does not know.",
            "Use sqlite:///PATH (a fourth slash for an absolute path), or dynamodb://TABLE?region=REGION.",
            key="ledger.url",
        )
    return Path(rest.removeprefix("/"))


async def _dynamodb(config: Config, clock: Clock, transient: TransientLimit) -> Store:
    if find_spec("aiobotocore") is None:
        raise ConfigurationError(
            "A ledger on DynamoDB needs the package aiobotocore, which is not installed. Nothing was started.",
            "pip install 'kakitome[server,aws]'",
            key="ledger.url",
        )
    from kakitome.ledgers.dynamodb.ledger import DynamoLedger
    from kakitome.ledgers.dynamodb.place import place
    from kakitome.ledgers.dynamodb.table import Table

    table = Table.at(place(config.ledger.url), clock, SystemRandom())
    own = config.ledger
    try:
        return await DynamoLedger.open(
            table,
            transient,
            folds=own.feed,
            campaign_tables=own.campaign_tables,
            provider_ids=own.provider_ids,
        )
    except BaseException:
        await table.close()
        raise


def beside_of(config: Config, store: Store, clock: Clock) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """What goes on beside every worker for the ledger's own sake. A table's stream is kept for one day: where nobody
    asked for a counter in that time, what happened would be missing in all of them."""
    if config.ledger.feed == "elsewhere" or _sqlite_path(config) is not None:
        return []
    from kakitome.ledgers.dynamodb.ledger import DynamoLedger

    assert isinstance(store, DynamoLedger)
    return [partial(store.feed.run, clock)]
