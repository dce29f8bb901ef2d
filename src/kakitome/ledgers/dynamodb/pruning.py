"""A finished campaign's rows are thrown away with the table that they have for themselves; its account stays.

The run says that they are gone before they are, so whoever is cut off in between is completed by whoever asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from kakitome.core.errors import NotFound, StateError
from kakitome.core.lifecycle import OPEN, State
from kakitome.ledgers.dynamodb import schema
from kakitome.ledgers.dynamodb.codec import Case
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.items import LISTED
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.own import Own
from kakitome.ledgers.memory.book import Book
from kakitome.ledgers.memory.runs import MemoryRuns

ENDED: Final = ("done", "cancelled")
NAMED: Final = 3
"""Campaigns that are told by name."""


class Pruning:
    def __init__(self, desk: Desk, feed: Feed, open: Open) -> None:
        self._desk = desk
        self._feed = feed
        self._open = open

    async def prune(self, campaign: str, who: str, window: int, now: int) -> str:
        """The name of the table that is gone. Events may come for `window` milliseconds after a campaign is done.

        Raises `NotFound`, and `StateError` as long as the rows must stay; nothing is deleted then.
        """
        case = await self._desk.cases.named(campaign)
        if case is None or not case.book.run.campaign:
            raise NotFound(
                f"There is no campaign {campaign!r}. Nothing was deleted.",
                "It is called what it was started with: --name, or else the template's name.",
            )
        own = _own(case)
        await self._refuse_restored(own)
        if own.pruned is None and not await schema.is_there(self._desk.table.line, own.table):
            # By the ledger that this one was restored from, since its backup.
            await self._desk.cases.change(case.book.run.id, lambda book, there: _lost(book, there, who, now))
        elif own.pruned is None:
            _refuse_early(case, window, now)
            await self._refuse_open(case, now)
            await self._feed.catch_up()
            await self._desk.cases.change(case.book.run.id, lambda book, there: _mark(book, there, who, now))
            await self._feed.catch_up()  # what came in between is counted, as long as it can be read
        await schema.drop(self._desk.table.line, own.table)
        return own.table

    async def _refuse_restored(self, own: Own) -> None:
        if (why := await self._desk.home.why()) is not None:
            raise StateError(
                f"This ledger was restored from a backup ({why}), and the table {own.table} may be in use by the one "
                "that it was restored from. Nothing was deleted.",
                "Stop whatever works with the other one, then kakitome ledger release --who NAME.",
            )

    async def _refuse_open(self, case: Case, now: int) -> None:
        if await self._open.first(self._open.messages(case, now), lambda m: m.state in OPEN) is not None:
            raise _unfinished(case, "is not done: mail of it is still open")
        for state in (State.DEAD, State.UNRESOLVED):
            async for entries in self._open.entries(case.book.run.id, part=LISTED[state]):
                raise _unfinished(case, f"has mail that waits for a person ({state.word}: {len(entries)} or more)")


def _own(case: Case) -> Own:
    if case.own is None:
        raise StateError(
            f"The rows of the campaign {case.book.run.name!r} lie in the ledger's own table, among all others, where "
            "each would have to be deleted by itself. Nothing was deleted.",
            'Campaigns that are begun with [ledger] campaign_tables = "own" can be thrown away as a whole.',
        )
    return case.own


def _refuse_early(case: Case, window: int, now: int) -> None:
    if case.book.run.state not in ENDED:
        raise _unfinished(case, f"is {case.book.run.state}, not done")
    ends = ("campaign_done", "campaign_cancelled")
    since = max((entry.at for entry in case.history if entry.kind in ends), default=now)
    if now < since + window:
        when = datetime.fromtimestamp((since + window) / 1000, UTC).isoformat(timespec="seconds")
        raise StateError(
            f"Bounces and complaints of the campaign {case.book.run.name!r} may still come until {when}. "
            "Nothing was deleted.",
            "Ask again then, or say in [retention] events how long they are waited for.",
            when=when,
        )


def _unfinished(case: Case, why: str) -> StateError:
    return StateError(
        f"The campaign {case.book.run.name!r} {why}. Nothing was deleted.",
        f"kakitome campaign status {case.book.run.name} shows what is left.",
    )


def _lost(book: Book, case: Case, who: str, now: int) -> None:
    """Nothing can be sent any more, whatever the campaign was at."""
    if case.book.run.state not in ENDED:
        at_once(MemoryRuns(book).move(case.book.run.id, "cancelled", who, now))
    _mark(book, case, who, now)


def _mark(book: Book, case: Case, who: str, now: int) -> None:
    own = _own(case)
    if case.book.run.state not in ENDED:  # somebody set it going again
        raise _unfinished(case, f"is {case.book.run.state}, not done")
    if own.pruned is None:
        case.own = Own(own.table, now)
        book.enter(now, "campaign_pruned", run=case.book.run.id, who=who, table=own.table)


def beside(cases: Sequence[Case]) -> str:
    """Words about those that have a table which was not thrown away: "" where there is none."""
    names = [case.book.run.name for case in cases if case.own is not None and case.own.pruned is None]
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"; the rows of {', '.join(names[:NAMED])}{more} lie in tables that were not, and are left alone"
