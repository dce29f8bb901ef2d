"""The life of messages: admit, claim, check, settle; withdraw and resolve."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.errors import IdempotencyConflict, KakitomeError, NotFound
from kakitome.core.ids import Fence, MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Admitted, Claimed, Settlement, Submission
from kakitome.ledgers.memory.book import Attempt, Book, KeyBook, Message, SubmissionBook
from kakitome.ledgers.memory.events import match_waiting
from kakitome.ledgers.memory.settling import settle
from kakitome.ports.messages import DECISIONS, RESENDS, Settled
from kakitome.ports.rows import Claiming


class MemoryMessages:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def admit(self, submissions: Sequence[Submission], now: int) -> list[Admitted | KakitomeError]:
        book = self._book
        book.keys = {name: key for name, key in book.keys.items() if key.until > now}
        return [self._admit(new, now) for new in submissions]

    def _admit(self, new: Submission, now: int) -> Admitted | KakitomeError:
        book = self._book
        if new.key is not None and (key := book.keys.get(new.key)):
            if key.body_hash != new.body_hash:
                return IdempotencyConflict("This idempotency key was used before for another mail.")
            return Admitted(key.submission, book.submissions[key.submission].messages, fresh=False)
        if new.run not in book.runs:
            return NotFound(f"There is no run {new.run}.")
        first = book.next_ids(1 + len(new.messages), now)
        submission, ids = SubmissionId(first), tuple(MessageId(first + 1 + k) for k in range(len(new.messages)))
        book.submissions[submission] = SubmissionBook(new.content, new.reference, ids)
        for id, to in zip(ids, new.messages, strict=True):
            due = max(new.due, now)
            book.messages[id] = Message(id, new.run, to.address, to.hash, due, new.expires, submission, pace=to.pace)
        if new.key is not None:
            book.keys[new.key] = KeyBook(new.body_hash, submission, new.key_until)
        book.enter(now, Cause.ACCEPTED, run=new.run, submission=submission, ids=list(ids))
        return Admitted(submission, ids)

    async def due(self, run: RunId, n: int, now: int, pace: str = "") -> list[MessageId]:
        queued = [m for m in self._book.of_run(run) if m.state is State.QUEUED and m.pace == pace]
        waiting = [m for m in queued if m.due <= now]
        return [m.id for m in sorted(waiting, key=lambda m: (m.due, m.id))[:n]]

    async def claim(self, ids: Sequence[MessageId], worker: str, lane: str, lease: int, now: int) -> list[Claimed]:
        claimable = [
            m
            for m in self._book.known(ids)
            if m.state is State.QUEUED and m.due <= now and self._book.is_running(m.run)
        ]
        for m in claimable:
            assert self._book.change(m, Cause.CLAIMED, now)
        return [take_in_hand(self._book, m, Cause.CLAIMED, Claiming(worker, lane, lease), now) for m in claimable]

    async def check(self, claims: Sequence[tuple[MessageId, Fence]], now: int) -> dict[MessageId, Cause]:
        return {id: cause for id, fence in claims if (cause := self._check(id, fence, now)) is not None}

    def _check(self, id: MessageId, fence: Fence, now: int) -> Cause | None:
        m = self._book.messages.get(id)
        if m is None or m.state is not State.SENDING or m.fence != fence:
            return Cause.RELEASED
        if m.withdrawn_by is not None:
            return Cause.CANCELLED
        if m.expires is not None and m.expires <= now:
            return Cause.EXPIRED
        stream = self._book.runs[m.run].run.stream
        if any((m.hash, scope) in self._book.suppressions for scope in ("all", f"stream:{stream}")):
            return Cause.SUPPRESSED
        return None if self._book.is_running(m.run) else Cause.RELEASED

    async def settle(self, settlements: Sequence[Settlement], now: int) -> Settled:
        settled = settle(self._book, settlements, now)
        match_waiting(self._book, now)
        return settled

    async def contents(self, submissions: Sequence[SubmissionId]) -> dict[SubmissionId, bytes]:
        stored = self._book.submissions
        return {id: stored[id].content for id in submissions if id in stored}

    async def cancel(self, ids: Sequence[MessageId], who: str, now: int) -> list[MessageId]:
        asked = [m for m in self._book.known(ids) if m.state in (State.QUEUED, State.SENDING, State.IN_DOUBT)]
        for m in asked:
            m.withdrawn_by = who
            self._book.change(m, Cause.CANCELLED, now)
            self._book.enter(now, Cause.CANCELLED, run=m.run, message=m.id, who=who)
        return [m.id for m in asked]

    async def resolve(self, ids: Sequence[MessageId], cause: Cause, who: str, note: str, now: int) -> list[MessageId]:
        if cause not in DECISIONS:
            raise ValueError(f"{cause} is not a decision.")
        return [m.id for m in self._book.known(ids) if self._resolve(m, cause, who, note, now)]

    def _resolve(self, m: Message, cause: Cause, who: str, note: str, now: int) -> bool:
        run = self._book.runs[m.run].run
        if cause is Cause.PROOF and not m.tries:
            return False
        if cause is Cause.PERSON_RESEND and run.state == "cancelled":
            return False
        if cause in RESENDS and m.resends:
            return False
        withdrawn_by = m.withdrawn_by
        if cause is Cause.PERSON_RESEND:
            m.withdrawn_by = None
        if not self._book.change(m, cause, now):
            m.withdrawn_by = withdrawn_by
            return False
        self._book.enter(now, cause, run=m.run, message=m.id, who=who, note=note)
        m.resends += cause in RESENDS
        if cause is Cause.PROOF:
            m.tries[m.fence].proved = m.tries[m.fence].proved or now
            self._book.count_copies(m)
        if m.state is State.QUEUED:
            m.due = now
            if cause is Cause.PERSON_RESEND and m.expires is not None and m.expires <= now:
                m.expires = None
            if run.state == "done":
                self._book.set_state(run.id, "running")
                self._book.enter(now, "campaign_running", run=run.id, who=who)
        return True


def take_in_hand(book: Book, m: Message, cause: Cause, claim: Claiming, now: int) -> Claimed:
    """A message that is `sending` now, by this cause, gets its next fence and the attempt of it."""
    m.fence = Fence(m.fence + 1)
    m.worker, m.lease = claim.worker, claim.lease
    m.first_claimed = now if m.first_claimed is None else m.first_claimed
    m.tries[m.fence] = Attempt(m.fence, claim.worker, claim.lane, now)
    book.enter(now, cause, run=m.run, ids=[m.id], worker=claim.worker, lane=claim.lane, lease=claim.lease)
    return Claimed(m.id, m.fence, m.run, m.address, m.attempts, m.first_claimed, m.expires, m.submission, m.variables)
