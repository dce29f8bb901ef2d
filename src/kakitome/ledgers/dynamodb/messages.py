"""The life of messages: admit, claim, check, settle; withdraw and resolve. The rules are the memory ledger's."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.errors import KakitomeError, LedgerUnavailable
from kakitome.core.ids import Fence, MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Admitted, Claimed, Settlement, Submission
from kakitome.ledgers.dynamodb.addresses import Addresses
from kakitome.ledgers.dynamodb.admission import Admission
from kakitome.ledgers.dynamodb.apart import Apart
from kakitome.ledgers.dynamodb.contents import Contents
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.events import Early
from kakitome.ledgers.dynamodb.first_claims import FirstClaims
from kakitome.ledgers.dynamodb.looking import last_look
from kakitome.ledgers.dynamodb.open import Open
from kakitome.ledgers.dynamodb.untold import giving_back
from kakitome.ledgers.memory.book import Book
from kakitome.ledgers.memory.messages import MemoryMessages
from kakitome.ledgers.memory.settling import settle
from kakitome.ports.messages import DECISIONS, OUTCOMES, Settled
from kakitome.ports.rows import Claiming


class DynamoMessages:
    def __init__(self, desk: Desk, addresses: Addresses, early: Early, open: Open) -> None:
        self._desk = desk
        self._addresses = addresses
        self._early = early
        self._open = open
        self._first = FirstClaims(desk)
        self._admission = Admission(desk)
        self._contents = Contents(desk)
        self._apart = Apart(desk)

    async def admit(self, submissions: Sequence[Submission], now: int) -> list[Admitted | KakitomeError]:
        return await self._admission.admit(submissions, now)

    async def due(self, run: RunId, n: int, now: int, pace: str = "") -> list[MessageId]:
        case = (await self._desk.cases.of([run])).get(run)
        return [] if case is None else await self._open.due(case, n, now, pace)

    async def claim(self, ids: Sequence[MessageId], worker: str, lane: str, lease: int, now: int) -> list[Claimed]:
        if await self._desk.home.is_held(now):
            return []
        order = list(dict.fromkeys(ids))
        trouble: list[LedgerUnavailable] = []
        claiming = Claiming(worker, lane, lease)
        claims = await self._first.claim(order, claiming, now, trouble)
        try:
            left = await self._first.left([id for id in order if id not in claims])
            claims |= await self._claim_alone(left, claiming, now, trouble)
        except LedgerUnavailable as error:  # whoever has claims is told
            trouble.append(error)
        if trouble and not claims:
            raise trouble[0]
        told = [claims[id] for id in order if id in claims]
        async with giving_back(self._desk, lambda: told, now):
            return await self._apart.given_back(told)

    async def _claim_alone(
        self, ids: Sequence[MessageId], claiming: Claiming, now: int, trouble: list[LedgerUnavailable]
    ) -> dict[MessageId, Claimed]:
        """Of messages that speak for themselves, with a write for each."""
        worker, lane, lease = claiming.worker, claiming.lane, claiming.lease

        def rule(book: Book, id: MessageId) -> list[Claimed]:
            return at_once(MemoryMessages(book).claim([id], worker, lane, lease, now))

        answers = await self._desk.each(ids, rule, spare=trouble)
        return {claimed.id: claimed for answer in answers.values() for claimed in answer}

    async def check(self, claims: Sequence[tuple[MessageId, Fence]], now: int) -> dict[MessageId, Cause]:
        book = await last_look(self._desk, list(dict.fromkeys(id for id, _ in claims)))
        return at_once(MemoryMessages(book).check(claims, now))

    async def settle(self, settlements: Sequence[Settlement], now: int) -> Settled:
        if wrong := [s.cause for s in settlements if s.cause not in OUTCOMES]:
            raise ValueError(f"{wrong[0]} is not the outcome of an attempt.")
        by_id: dict[MessageId, list[Settlement]] = {}
        for one in settlements:
            by_id.setdefault(one.id, []).append(one)
        settled = await self._desk.each(by_id, lambda book, id: settle(book, by_id[id], now), runs=False)
        known = [(one.provider_id, one.id) for one in settlements if one.provider_id and one.id in settled]
        await self._early.attempts_known(known, now)
        return Settled(sum(s.moved for s in settled.values()), sum(s.stale for s in settled.values()))

    async def contents(self, submissions: Sequence[SubmissionId]) -> dict[SubmissionId, bytes]:
        return await self._contents.of(submissions)

    async def cancel(self, ids: Sequence[MessageId], who: str, now: int) -> list[MessageId]:
        asked = await self._desk.each(ids, lambda book, id: at_once(MemoryMessages(book).cancel([id], who, now)))
        return [id for answer in asked.values() for id in answer]

    async def resolve(self, ids: Sequence[MessageId], cause: Cause, who: str, note: str, now: int) -> list[MessageId]:
        if cause not in DECISIONS:
            raise ValueError(f"{cause} is not a decision.")

        def rule(book: Book, id: MessageId) -> list[MessageId]:
            return at_once(MemoryMessages(book).resolve([id], cause, who, note, now))

        resolved = await self._desk.each(ids, rule)
        return [id for answer in resolved.values() for id in answer]
