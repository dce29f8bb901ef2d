"""What people and pages ask. Every figure is counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kakitome.core.delivery import NOTHING, Delivery, encode, word, words
from kakitome.core.ids import MessageId, RunId, SubmissionId, given_at
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import AttemptView, MessageView, Run
from kakitome.ledgers.memory.book import Book, ImportBook, Message, heard
from kakitome.ports.reads import DELIVERY, ROWS, Discrepancy, Search


class MemoryReads:
    def __init__(self, book: Book) -> None:
        self._book = book

    def _delivery(self, id: MessageId) -> Delivery:
        return heard(self._book.about(id))

    def _view(self, m: Message) -> MessageView:
        run, delivery = self._book.runs[m.run].run, self._delivery(m.id)
        return message_view(m, run, given_at(m.id), delivery, self._reference(m))

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
        delivery = NOTHING if search.delivery is None else self._delivery(m.id)
        return is_wanted(search, m, delivery, self._reference(m))

    async def attempts(self, ids: Sequence[MessageId]) -> list[AttemptView]:
        return attempt_views(self._book.known(ids))

    async def rows(self, run: RunId) -> dict[str, int]:
        counted = dict.fromkeys(ROWS, 0)
        counted["missing"] = sum(
            missing(self._book, source) for source in self._book.imports.values() if source.run == run
        )
        if run in self._book.runs:
            book = self._book.runs[run]
            counted |= {"invalid": book.invalid, "duplicate": book.duplicate, "already": book.already}
        for m in self._book.of_run(run):
            counted["importing" if _is_incoming(m) else m.state.word] += 1
        return counted | {"read": sum(counted.values())}

    async def delivery(self, run: RunId) -> dict[str, int]:
        counted = dict.fromkeys(DELIVERY, 0)
        for m in self._book.of_run(run):
            for name in words(self._delivery(m.id)):
                counted[name] += 1
        return counted

    async def verify(self) -> list[Discrepancy]:
        """Nothing is counted twice here, so only what no rule allows can be found."""
        messages = self._book.messages.values()
        found = Counter(what for m in messages for what in impossible(m, self._was_said_sent(m)))
        return [Discrepancy(what, 0, n) for what, n in found.items()]

    def _was_said_sent(self, m: Message) -> bool:
        return any(entry.message == m.id and entry.kind == Cause.PERSON_SENT for entry in self._book.journal)

    async def hash_key(self) -> bytes:
        return self._book.hash_key


def missing(book: Book, source: ImportBook) -> int:
    """How many of the rows that were expected have neither become a message nor anything else."""
    if source.expected is None:
        return 0
    return source.expected - sum(m.source is source for m in book.of_run(source.run)) - len(source.lines)


def _is_incoming(m: Message) -> bool:
    return m.state is State.QUEUED and m.source is not None and not m.source.sealed and not m.source.is_expected


# ── One message ─────────────────────────────────────────────────────────────────────────────────────────────────────


def message_view(m: Message, run: Run, accepted: int, delivery: Delivery, reference: str | None) -> MessageView:
    return MessageView(
        id=m.id,
        accepted=accepted,
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
        delivery=encode(delivery).encode(),
        reference=reference,
    )


def attempt_views(messages: Iterable[Message]) -> list[AttemptView]:
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
        for m in sorted(messages, key=lambda m: m.id)
        for a in sorted(m.tries.values(), key=lambda a: a.fence)
    ]


def is_wanted(search: Search, m: Message, delivery: Delivery, reference: str | None) -> bool:
    """Whether all that is asked for holds of the message; the page is another matter."""
    return (
        (search.run is None or m.run == search.run)
        and (not search.states or m.state in search.states)
        and (search.hash is None or m.hash == search.hash)
        and (search.reference is None or reference == search.reference)
        and (search.delivery is None or word(delivery) == search.delivery)
        and (search.provider_id is None or any(a.provider_id == search.provider_id for a in m.tries.values()))
    )


def impossible(m: Message, said_sent: bool) -> list[str]:
    """What no rule allows; `said_sent`: a person said that it was sent."""
    is_accepted = said_sent or any(a.accepted for a in m.tries.values())
    found = {
        "messages that are sent without an accepted or proved attempt": m.state is State.SENT and not is_accepted,
        "messages in flight without their attempt": m.state in (State.SENDING, State.IN_DOUBT)
        and m.fence not in m.tries,
        "messages claimed by nobody": m.state is State.SENDING and (m.worker is None or m.lease is None),
    }
    return [what for what, is_so in found.items() if is_so]
