"""The ledger on DynamoDB: its ports, over one table."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal, Self

from kakitome.core.suppression import TransientLimit
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.accounts import DynamoAccounts
from kakitome.ledgers.dynamodb.addresses import Addresses, DynamoSuppressions
from kakitome.ledgers.dynamodb.alerts import DynamoAlerts
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.events import DynamoEvents, Early
from kakitome.ledgers.dynamodb.feed import Feed, Folds
from kakitome.ledgers.dynamodb.figures import DynamoFigures
from kakitome.ledgers.dynamodb.guards import DynamoGuards
from kakitome.ledgers.dynamodb.items import body_item, image_of
from kakitome.ledgers.dynamodb.journal import DynamoJournal
from kakitome.ledgers.dynamodb.lanes import LaneRecords
from kakitome.ledgers.dynamodb.lookout import DynamoLookout
from kakitome.ledgers.dynamodb.messages import DynamoMessages
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.pages import Pages
from kakitome.ledgers.dynamodb.pruning import Pruning, beside
from kakitome.ledgers.dynamodb.reads import DynamoReads
from kakitome.ledgers.dynamodb.reads_recount import Rewriting
from kakitome.ledgers.dynamodb.rows import DynamoRows
from kakitome.ledgers.dynamodb.runnable import DynamoRunnable
from kakitome.ledgers.dynamodb.runs import DynamoRuns
from kakitome.ledgers.dynamodb.sweeps import DynamoSweeps
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ledgers.dynamodb.tables import Tables
from kakitome.ledgers.dynamodb.templates import DynamoTemplates
from kakitome.ledgers.dynamodb.workers import DynamoWorkers
from kakitome.ports.reads import Recounted


def eight_octets() -> bytes:
    return secrets.token_bytes(8)


CampaignTables = Literal["shared", "own"]
"""Where a new campaign's rows are: with everything else, or in a table that can be thrown away as a whole."""


class DynamoLedger:
    """`open` makes one. Any number of processes may have the same table open.

    `provider_ids`: whether it is written by itself whose each provider's id is, one write for each mail. Without that
    nothing is found by such an id, and an event that does not name its mail stays unmatched.
    """

    def __init__(
        self,
        desk: Desk,
        folds: Folds = "reader",
        campaign_tables: CampaignTables = "shared",
        provider_ids: bool = True,
    ) -> None:
        self._table = desk.table
        self._home, self._cases = desk.home, desk.cases
        pages = Pages(desk)
        open = Open(desk, pages)
        addresses = Addresses(desk)
        early = Early(desk, addresses, provider_ids)
        self.feed = Feed(desk, folds)
        self.reads = DynamoReads(desk, self.feed, open, provider_ids)
        self.messages = DynamoMessages(desk, addresses, early, open)
        self.sweeps = DynamoSweeps(desk, pages, open, LaneRecords(desk, self.feed))
        self.runs = DynamoRuns(desk, open, self.reads.sent, campaign_tables == "own")
        self.rows = DynamoRows(desk, self.reads.taken)
        self.runnable = DynamoRunnable(desk, open)
        self.workers = DynamoWorkers(desk, pages, open, early)
        self.accounts = DynamoAccounts(desk)
        self.templates = DynamoTemplates(desk)
        self.suppressions = DynamoSuppressions(desk, addresses)
        self.events = DynamoEvents(desk, addresses, early)
        self.journal = DynamoJournal(desk, self.feed)
        self.guards = DynamoGuards(desk, self.feed)
        self.figures = DynamoFigures(desk, self.feed)
        self.alerts = DynamoAlerts(desk)
        self._rewriting = Rewriting(desk, self.feed)
        self._pruning = Pruning(desk, self.feed, open)
        self.lookout = DynamoLookout(desk, self.feed, open)

    @classmethod
    async def open(
        cls,
        table: Table,
        transient: TransientLimit | None = None,
        token: Callable[[], bytes] = eight_octets,
        folds: Folds = "reader",
        campaign_tables: CampaignTables = "shared",
        provider_ids: bool = True,
    ) -> Self:
        """The ledger in a table that is there. Its key for address hashes is made at the first opening."""
        desk = Desk(Tables(table), await _hash_key(table, token), token, transient)
        await desk.home.begin()
        return cls(desk, folds, campaign_tables, provider_ids)

    async def prune(self, campaign: str, who: str, window: int, now: int) -> str:
        """See `pruning.Pruning.prune`."""
        return await self._pruning.prune(campaign, who, window, now)

    async def recount(self, now: int) -> Recounted:
        """See `reads_recount`."""
        return await self._rewriting.recount(now)

    async def held(self) -> str | None:
        """Why this ledger claims nothing: the table was restored from a backup under another name. Of campaigns whose
        rows lie in tables of their own that is said, too, for these were not restored."""
        why = await self._home.why()
        return None if why is None else why + beside(await self._cases.all())

    async def release(self, who: str, note: str, now: int) -> bool:
        """A person's word that it may send again. False: it was not held."""
        return await self._home.release(who, note, now)

    async def close(self) -> None:
        await self.feed.close()
        await self._table.close()


async def _hash_key(table: Table, token: Callable[[], bytes]) -> bytes:
    there = await table.get(keys.HASH_KEY)
    if there is None:
        made = body_item(keys.HASH_KEY, secrets.token_bytes(32))
        there = await table.put(made, None, token()) or made
    return image_of(there | {"r": 1}).body
