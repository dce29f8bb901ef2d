"""What people and pages ask: by ids, by what indexes and pointers know, and by going through one run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from kakitome.core.errors import Pruned, SearchNeedsKey
from kakitome.core.ids import MessageId, RunId, SubmissionId, given_at
from kakitome.core.lifecycle import State
from kakitome.core.message import AttemptView, MessageView
from kakitome.ledgers.dynamodb import counters, keys
from kakitome.ledgers.dynamodb.codec import Shelved
from kakitome.ledgers.dynamodb.contents import unpack_submission
from kakitome.ledgers.dynamodb.counters import BETWEEN, state_cell, taken_cell
from kakitome.ledgers.dynamodb.counters_kept import Cells
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.feed import Feed
from kakitome.ledgers.dynamodb.items import LISTED, WAITING, message_id
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.reads_verify import Recount
from kakitome.ledgers.dynamodb.reads_walk import of_run
from kakitome.ledgers.dynamodb.rows_told import told_and_missing
from kakitome.ledgers.memory.book import heard
from kakitome.ledgers.memory.reads import attempt_views, is_wanted, message_view
from kakitome.ports.reads import DELIVERY, ROWS, Discrepancy, Search

AT_ONCE: Final = 100


class DynamoReads:
    def __init__(self, desk: Desk, feed: Feed, open: Open, provider_ids: bool = True) -> None:
        self._desk = desk
        self._provider_ids = provider_ids
        self._feed = feed
        self._open = open

    # ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def messages(self, ids: Sequence[MessageId]) -> list[MessageView]:
        """Raises `Pruned` where one was thrown away with its campaign."""
        shelves = await self._desk.shelves(ids)
        await self._refuse_pruned(id for id in ids if id not in shelves)
        return await self._views([shelves[id] for id in sorted(shelves)])

    async def _refuse_pruned(self, lost: Iterable[MessageId]) -> None:
        cases = await self._desk.cases.of({keys.run_of(id) for id in lost if keys.is_row(id)})
        for case in cases.values():
            if case.own is not None and case.own.pruned is not None:
                raise _pruned(case.book.run.name, case.own.pruned)

    async def submission(self, id: SubmissionId) -> list[MessageView]:
        item = await self._desk.table.get(keys.submission(id))
        return [] if item is None else await self.messages(unpack_submission(item).messages)

    async def attempts(self, ids: Sequence[MessageId]) -> list[AttemptView]:
        return attempt_views(there.message for there in (await self._desk.shelves(ids)).values())

    async def _views(self, found: Sequence[Shelved]) -> list[MessageView]:
        cases = await self._desk.cases.of({there.message.run for there in found})
        references = await self._references(found)
        return [
            message_view(m, cases[m.run].book.run, _accepted(there), heard(there.events), references.get(m.submission))
            for there, m in ((there, there.message) for there in found)
        ]

    async def _references(self, found: Iterable[Shelved]) -> dict[SubmissionId | None, str | None]:
        wanted = {there.message.submission for there in found} - {None}
        read = await self._desk.table.get_many([keys.submission(id) for id in wanted if id is not None])
        stored = [unpack_submission(item) for item in read.values()]
        return {one.id: one.reference for one in stored}

    # ── Search ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def search(self, search: Search) -> list[MessageView]:
        """Raises `SearchNeedsKey` where everything would have to be gone through."""
        if search.provider_id is not None:
            ids: Iterable[MessageId] = await self._by_provider_id(search.provider_id)
            await self._refuse_pruned(ids)
        elif search.hash is not None:
            ids = await self._by_hash(search.hash, search.run)
        elif search.states and set(search.states) <= set(LISTED):
            ids = await self._by_state(search.states, search.run)
        elif search.run is not None:
            return await self._of_run(search, search.run)
        else:
            raise SearchNeedsKey(
                "This ledger finds mail by recipient, provider id, campaign, stream, or as long as it is open; not by "
                "what was asked alone.",
                "Name the recipient, or the campaign or stream.",
            )
        found: list[Shelved] = []
        behind = sorted(id for id in ids if id > search.after)
        for at in range(0, len(behind), AT_ONCE):
            shelves = await self._desk.shelves(behind[at : at + AT_ONCE])
            found += await self._wanted(search, shelves.values())
            if len(found) >= search.n:
                break
        return await self._views(found[: search.n])

    async def _of_run(self, search: Search, run: RunId) -> list[MessageView]:
        case = (await self._desk.cases.of([run])).get(run)
        found: list[Shelved] = []
        if case is not None:
            ids = counters.id_range(await self._counted(run))
            async for shelves in of_run(self._desk, case, ids, search.after):
                found += await self._wanted(search, shelves)
                if len(found) >= search.n:
                    break
        return await self._views(found[: search.n])

    async def _wanted(self, search: Search, shelves: Iterable[Shelved]) -> list[Shelved]:
        """Those that the search wants, in order. References lie elsewhere, and are read only where they matter."""
        there = list(shelves)
        references = {} if search.reference is None else await self._references(there)
        return [
            one
            for one in there
            if is_wanted(search, one.message, heard(one.events), references.get(one.message.submission))
        ]

    async def _by_provider_id(self, id: str) -> list[MessageId]:
        if not self._provider_ids:
            raise SearchNeedsKey(
                f"This ledger finds no mail by a provider's id ({id[:200]}): [ledger] provider_ids is false.",
                "Ask with the id that sending answered (sub_… or msg_…), or search by recipient.",
            )
        items = await self._desk.table.query(keys.provider_id(id), since="m", until="m~")
        return [MessageId(keys.number_of(str(item["sk"])[1:])) for item in items]

    async def _by_hash(self, hash: int, run: RunId | None) -> set[MessageId]:
        items = await self._desk.table.query(f"{hash % (1 << 64):016x}", index="address")
        cases = await self._desk.cases.all() if run is None else (await self._desk.cases.of([run])).values()
        ids = {message_id(item) for item in items}
        probed = [(case.book.run.id, case.bits) for case in cases if case.bits is not None]
        for probe in range(keys.PROBES + 1):
            there = {keys.row_id(run, bits, hash, probe): (run, bits) for run, bits in probed}
            shelves = await self._desk.shelves(list(there))
            ids |= {id for id, one in shelves.items() if one.message.hash == hash}
            # Behind the place of another address it may lie in the next one.
            probed = [there[id] for id, one in shelves.items() if one.message.hash != hash]
            if not probed:
                break
        return ids

    async def _by_state(self, states: Sequence[State], run: RunId | None) -> set[MessageId]:
        cases = await self._desk.cases.all() if run is None else (await self._desk.cases.of([run])).values()
        ids: set[MessageId] = set()
        for case in cases:
            for part in {LISTED[state] for state in states}:
                async for entries in self._open.entries(case.book.run.id, part=part):
                    ids |= {message_id(entry) for entry in entries}
                if part == WAITING:
                    async for messages in self._open.first_timers(case, 0):
                        ids |= {m.id for m in messages}
        return ids

    # ── Figures ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _counted(self, run: RunId) -> Cells:
        await self._feed.fresh()
        return (await self._feed.counters.read([counters.of_run(run)])).get(counters.of_run(run), {})

    async def sent(self, run: RunId) -> int:
        """How many of a run were sent so far."""
        return (await self._counted(run)).get(state_cell(State.SENT), 0)

    async def taken(self, run: RunId, digest: str) -> int:
        """How many rows of an import became messages so far."""
        return (await self._counted(run)).get(taken_cell(digest), 0)

    async def rows(self, run: RunId) -> dict[str, int]:
        cells = await self._counted(run)
        case = (await self._desk.cases.of([run])).get(run)
        counted = dict.fromkeys(ROWS, 0)
        coming: set[str] = set()
        if case is not None:
            coming = {source.digest for source in case.imports if not source.sealed and not source.is_expected}
            counted |= await told_and_missing(self._desk, case, cells)
        for cell, n in cells.items():
            if cell[0] == "s":
                word, _, digest = cell[1:].partition(BETWEEN)
                counted["importing" if word == "queued" and digest in coming else word] += n
        # A first claim lies in a note, and what came of it in the row: of two shards, that may be counted before.
        early = min(0, counted["sending"])
        counted |= {"sending": counted["sending"] - early, "queued": counted["queued"] + early}
        return counted | {"read": sum(counted.values())}

    async def delivery(self, run: RunId) -> dict[str, int]:
        cells = await self._counted(run)
        return {word: cells.get(f"w{word}", 0) for word in DELIVERY}

    async def verify(self) -> list[Discrepancy]:
        """See `reads_verify`."""
        return await Recount(self._desk, self._feed, self._open).verify()

    async def hash_key(self) -> bytes:
        return self._desk.hash_key


def _accepted(there: Shelved) -> int:
    """A row's id is made of its address, so that its first entry says when it came."""
    return there.history[0].at if keys.is_row(there.message.id) else given_at(there.message.id)


def _pruned(campaign: str, at: int) -> Pruned:
    day = datetime.fromtimestamp(at / 1000, UTC).date()
    return Pruned(
        f"The mail was one of the campaign {campaign!r}, whose rows were thrown away on {day}.",
        f"kakitome campaign report {campaign} still has the account.",
        campaign=campaign,
    )
