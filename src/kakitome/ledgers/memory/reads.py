"""What people and pages ask. Every figure is counted anew."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.delivery import NOTHING, Delivery, encode, fold, word, words
from kakitome.core.ids import MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import AttemptView, MessageView
from kakitome.ledgers.memory.book import Book, Message
from kakitome.ports.reads import DELIVERY, ROWS, Discrepancy, Search


class MemoryReads:
    def __init__(self, book: Book) -> None:
        self._book = book

    def _delivery(self, id: MessageId) -> Delivery:
        folded = NOTHING
        for kept in self._book.events.values():
            if kept.message == id:
                folded = fold(folded, kept.event)
        return folded

    def _view(self, m: Message) -> MessageView:
        run = self._book.runs[m.run].run
        return MessageView(
            id=m.id,
            run=m.run,
            run_name=run.name,
            stream=run.stream,
            campaign=run.campaign,
            submission=m.submission,
            address=m.address,
            line=m.line,
            state=m.state,
            due=m.due,
            attempts=m.attempts,
            fence=m.fence,
            first_claimed=m.first_claimed,
            expires=m.expires,
            copies_possible=m.copies_possible,
            delivery=encode(self._delivery(m.id)).encode(),
            reference=self._reference(m),
        )

    def _reference(self, m: Message) -> str | None:
        return None if m.submission is None else self._book.submissions[m.submission].reference

    async def messages(self, ids: Sequence[MessageId]) -> list[MessageView]:
        return [self._view(m) for m in sorted(self._book.known(ids), key=lambda m: m.id)]

    async def submission(self, id: SubmissionId) -> list[MessageView]:
        return [self._view(m) for m in self._book.messages.values() if m.submission == id]

    async def search(self, search: Search) -> list[MessageView]:
        found = [m for m in self._book.messages.values() if m.id > search.after and self._is_wanted(m, search)]
        return [self._view(m) for m in sorted(found, key=lambda m: m.id)[: search.n]]

    def _is_wanted(self, m: Message, search: Search) -> bool:
        return (
            (search.run is None or m.run == search.run)
            and (not search.states or m.state in search.states)
            and (search.hash is None or m.hash == search.hash)
            and (search.reference is None or self._reference(m) == search.reference)
            and (search.delivery is None or word(self._delivery(m.id)) == search.delivery)
            and (search.provider_id is None or any(a.provider_id == search.provider_id for a in m.tries.values()))
        )

    async def attempts(self, ids: Sequence[MessageId]) -> list[AttemptView]:
        return [
            AttemptView(
                message=m.id,
                fence=a.fence,
                worker=a.worker,
                lane=a.lane,
                begun=a.begun,
                settled=a.settled,
                proved=a.proved,
                cause=a.cause,
                provider_id=a.provider_id,
                outcome=a.outcome,
            )
            for m in sorted(self._book.known(ids), key=lambda m: m.id)
            for a in sorted(m.tries.values(), key=lambda a: a.fence)
        ]

    async def rows(self, run: RunId) -> dict[str, int]:
        counted = dict.fromkeys(ROWS, 0)
        if run in self._book.runs:
            book = self._book.runs[run]
            counted |= {"invalid": book.invalid, "duplicate": book.duplicate, "already": book.already}
        for m in self._book.of_run(run):
            incoming = m.state is State.QUEUED and m.source is not None and not m.source.sealed
            counted["importing" if incoming else m.state.word] += 1
        return counted | {"read": sum(counted.values())}

    async def delivery(self, run: RunId) -> dict[str, int]:
        counted = dict.fromkeys(DELIVERY, 0)
        for m in self._book.of_run(run):
            for name in words(self._delivery(m.id)):
                counted[name] += 1
        return counted

    async def verify(self) -> list[Discrepancy]:
        """Nothing is counted twice here, so only what no rule allows can be found."""
        found = {
            "messages that are sent without an accepted or proved attempt": sum(
                m.state is State.SENT and not any(a.accepted for a in m.tries.values()) and not self._was_said_sent(m)
                for m in self._book.messages.values()
            ),
            "messages in flight without their attempt": sum(
                m.state in (State.SENDING, State.IN_DOUBT) and m.fence not in m.tries
                for m in self._book.messages.values()
            ),
            "messages claimed by nobody": sum(
                m.state is State.SENDING and (m.worker is None or m.lease is None) for m in self._book.messages.values()
            ),
        }
        return [Discrepancy(what, 0, n) for what, n in found.items() if n]

    def _was_said_sent(self, m: Message) -> bool:
        return any(entry.message == m.id and entry.kind == Cause.PERSON_SENT for entry in self._book.journal)

    async def hash_key(self) -> bytes:
        return self._book.hash_key
