"""How attempts end, by a worker's word or by its silence."""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Settlement
from kakitome.ledgers.memory.book import Attempt, Book, Message
from kakitome.ports.messages import OUTCOMES, Settled

UNCERTAIN = (None, Cause.UNCERTAIN, Cause.LEASE_OVER, Cause.WORKER_GONE_MARKED)


def settle(book: Book, settlements: Sequence[Settlement], now: int) -> Settled:
    """One after the other; each by itself. An outcome of no attempt that we know is nothing."""
    if wrong := [s.cause for s in settlements if s.cause not in OUTCOMES]:
        raise ValueError(f"{wrong[0]} is not the outcome of an attempt.")
    moved = stale = 0
    for s in settlements:
        message = book.messages.get(s.id)
        if message is not None and s.fence in message.tries:
            stale += s.fence != message.fence
            moved += _settle(book, message, s, now)
    return Settled(moved, stale)


def _settle(book: Book, message: Message, s: Settlement, now: int) -> bool:
    """Answers whether the message moved."""
    newest = s.fence == message.fence
    attempt = message.tries[s.fence]
    book.enter(now, s.cause, run=message.run, message=message.id, fence=s.fence)
    moved = newest and book.change(message, s.cause, now, claimant=True)
    if moved:
        _date(message, s.due, now)
    elif s.cause is Cause.PROVIDER_ACCEPTED:
        moved = book.prove(message, s.fence, now)
    _write(attempt, s, now)
    book.count_copies(message)
    return moved


def _date(message: Message, due: int | None, now: int) -> None:
    if message.state is State.IN_DOUBT:
        message.doubt_since = now
    if message.state in (State.QUEUED, State.IN_DOUBT) and due is not None:
        message.due = due


def _write(attempt: Attempt, s: Settlement, now: int) -> None:
    """What is certain stays; only an acceptance is stronger than another certainty, since it is proof."""
    acceptance = s.cause is Cause.PROVIDER_ACCEPTED and attempt.cause is not Cause.PROVIDER_ACCEPTED
    if attempt.cause in UNCERTAIN or acceptance:
        attempt.settled, attempt.cause, attempt.outcome = now, s.cause, s.outcome
        attempt.provider_id = s.provider_id or attempt.provider_id


def end_claim(message: Message, cause: Cause, now: int, provider_id: str = "") -> Settlement:
    """The settlement of a claim whose worker does not speak for itself any more."""
    return Settlement(id=message.id, fence=message.fence, cause=cause, due=now, provider_id=provider_id or None)
