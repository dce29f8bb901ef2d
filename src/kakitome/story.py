"""All that is known of one message, and its timeline in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from kakitome.core.delivery import Delivery, decode
from kakitome.core.event import Event, EventKind
from kakitome.core.lifecycle import Cause
from kakitome.core.message import AttemptView, Entry, MessageView
from kakitome.core.reason import Reason, reason
from kakitome.ports.ledger import Ledger
from kakitome.status import Acceptance, Attempt, Happening, Moment, status_of


@dataclass(frozen=True, slots=True)
class Story:
    """A message, its attempts in order, what the provider told, what the journal says of it alone."""

    view: MessageView
    attempts: list[AttemptView]
    events: list[Event]
    entries: list[Entry]

    @property
    def delivery(self) -> Delivery:
        return decode(self.view.delivery)

    @property
    def begun(self) -> int | None:
        return self.attempts[-1].begun if self.attempts else None

    @property
    def settled(self) -> int | None:
        return self.attempts[-1].settled if self.attempts else None

    @property
    def why(self) -> Reason:
        return reason(self.attempts[-1] if self.attempts else None)

    @property
    def status(self) -> str:
        return status_of(self.view)

    def told(self, kind: EventKind) -> Event | None:
        return next((event for event in reversed(self.events) if event.kind is kind), None)

    def noted(self, key: str, *kinds: str) -> str:
        """The newest such note in the journal, of these kinds of entry or of any; "" where there is none."""
        notes = (e.data.get(key) for e in reversed(self.entries) if not kinds or e.kind in kinds)
        return next((str(note) for note in notes if note), "")


async def story(view: MessageView, ledger: Ledger) -> Story:
    attempts = await ledger.reads.attempts([view.id])
    return Story(view, attempts, await ledger.events.of(view.id), await ledger.journal.of(view.id))


_OUTCOMES: dict[str, str] = {
    "accepted": "the provider took it",
    "deferred": "refused for now",
    "rejected": "refused for good",
    "unavailable": "nothing could be sent",
    "uncertain": "in doubt",
    "released": "given back before it was sent",
    "unrenderable": "it could not be made",
    Cause.PROVIDER_ACCEPTED: "the provider took it, as the worker's mark shows",
    Cause.LEASE_OVER: "in doubt: its worker said nothing any more",
    Cause.WORKER_GONE_MARKED: "in doubt: its worker ended while it was on the wire",
    Cause.WORKER_GONE_UNMARKED: "its worker ended before it was sent",
}
_DECISIONS: dict[str, str] = {
    Cause.SUPPRESSED: "not sent: the address is suppressed",
    Cause.CANCELLED: "withdrawn",
    Cause.EXPIRED: "its time was over",
    Cause.SILENCE: "no event came where all others did: to be sent again",
    Cause.POLICY_RESEND: "to be sent again, as its stream wants in doubt",
    Cause.DEADLINE: "a person has to decide",
    Cause.PROOF: "an event proved that it was taken",
    Cause.PERSON_RESEND: "to be sent again, a person says",
    Cause.PERSON_SENT: "it was sent, a person says",
    Cause.PERSON_CLOSED: "it shall not go, a person says",
}


def words(moment: Moment) -> Iterator[tuple[datetime, str]]:
    """What happened, in plain words; an attempt has a beginning and mostly an end."""
    match moment:
        case Acceptance():
            yield moment.at, "accepted by Kakitome"
        case Attempt():
            yield moment.at, f"attempt {moment.attempt} through {moment.lane}"
            if moment.outcome is not None and moment.ended is not None:
                yield moment.ended, _ended(moment, moment.outcome)
        case Happening():
            kind = moment.event.replace("_", " ") + (f" ({moment.permanence})" if moment.permanence else "")
            yield moment.at, f"{moment.provider}: {kind}" + (f": {moment.diagnostic}" if moment.diagnostic else "")
        case _:
            said = _DECISIONS.get(moment.cause, moment.cause.replace("_", " "))
            yield moment.at, said + "".join(f" ({one})" for one in (moment.who, moment.note) if one)


def _ended(attempt: Attempt, outcome: str) -> str:
    reply = attempt.reply or {}
    answer = f"{reply.get('code') or ''} {reply.get('text', '')}".strip() or attempt.reason
    said = _OUTCOMES.get(outcome, outcome.replace("_", " "))
    return f"{said}: {answer}" if answer else said


def when(at: int | None) -> str:
    """A time for people, in UTC: it is read far from the machine that wrote it."""
    return "an unknown day" if at is None else f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
