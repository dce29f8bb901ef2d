"""What became of it: the one answer to "where is my mail?", for HTTP, the command line and whoever else asks.

A pure read. It is told in two lengths: a `MessageSummary` is one row of a list, a `MessageStatus` has the timeline.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from kakitome.core.delivery import decode, status_word, word
from kakitome.core.errors import NotFound
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.ids import MessageId, SubmissionId, from_text, message_text, submission_text
from kakitome.core.lifecycle import Cause
from kakitome.core.message import AttemptView, Entry, MessageView
from kakitome.core.submission import MOST_RECIPIENTS
from kakitome.ports.ledger import Ledger
from kakitome.ports.messages import OUTCOMES
from kakitome.ports.reads import Search


class _Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """`at` is ours, but for events: theirs is the provider's. What is not known is left out."""

    at: datetime


class Acceptance(_Moment, frozen=True, kw_only=True, tag="accepted"):
    """We took responsibility for it."""


class Attempt(_Moment, frozen=True, kw_only=True, tag="attempt"):
    """One claim, and how it ended; without `outcome` it is under way. `reply` is the next hop's own answer, `proved`
    the time of the earliest event that shows its acceptance."""

    attempt: int
    lane: str
    outcome: str | None = None
    ended: datetime | None = None
    reply: dict[str, Any] | None = None
    reason: str | None = None
    provider_message_id: str | None = None
    proved: datetime | None = None


class Happening(_Moment, frozen=True, kw_only=True, tag="event"):
    """What the provider told later."""

    event: EventKind
    provider: str
    provider_message_id: str
    permanence: Permanence | None = None
    bounce_class: BounceClass | None = None
    complaint: str | None = None
    diagnostic: str = ""
    link: str | None = None


class Decision(_Moment, frozen=True, kw_only=True, tag="decision"):
    """What a person decided, or Kakitome by rule: `cause` is of `core.lifecycle`."""

    cause: str
    who: str = ""
    note: str = ""


Moment: TypeAlias = Acceptance | Attempt | Happening | Decision


class MessageSummary(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is one word for people, out of `state` (where it is in our hands) and `delivery` (what the provider
    told). `attempts` counts those that cost one. `recipient` is null once retention took it."""

    id: str
    recipient: str | None
    status: str
    state: str
    delivery: str | None
    attempts: int
    submission: str | None
    stream: str
    campaign: str | None
    reference: str | None
    copies_possible: bool


class MessageStatus(MessageSummary, frozen=True, kw_only=True):
    """`timeline` is in the order of time."""

    timeline: list[Moment]


class Status(msgspec.Struct, frozen=True):
    """`id` is what was asked about."""

    id: str
    messages: list[MessageStatus]


async def status(id: str, ledger: Ledger) -> Status:
    """The story of a submission, a message, or whatever a provider knows under this id. Raises `NotFound`.

    A provider's id may come as its Message-ID, as a recipient finds it in the mail: `<0100…@email.amazonses.com>`.
    """
    asked = id.strip()
    views = await find(asked, ledger)
    return Status(asked, await _stories(views, ledger))


async def find(id: str, ledger: Ledger) -> list[MessageView]:
    """The messages that an id stands for. Raises `NotFound`."""
    try:
        views = await _by_our_id(id, ledger)
    except NotFound:
        views = []
        for provider_id in dict.fromkeys((id, id.strip("<>").partition("@")[0])):
            views = views or await ledger.reads.search(Search(provider_id=provider_id, n=MOST_RECIPIENTS))
    if not views:
        raise NotFound(
            f"Nothing is known under {id[:200]!r}.",
            "Ask with the id that sending answered (sub_… or msg_…), or with the provider's message id.",
        )
    return views


async def _by_our_id(id: str, ledger: Ledger) -> list[MessageView]:
    if id.startswith("sub_"):
        return await ledger.reads.submission(SubmissionId(from_text("sub", id)))
    return await ledger.reads.messages([MessageId(from_text("msg", id))])


def status_of(view: MessageView) -> str:
    """The one word for people."""
    return status_word(view.state.word, word(decode(view.delivery)))


def summary(view: MessageView) -> MessageSummary:
    return MessageSummary(**_summed(view))


def _summed(view: MessageView) -> dict[str, Any]:
    return {
        "id": message_text(view.id),
        "recipient": view.address,
        "status": status_of(view),
        "state": view.state.word,
        "delivery": word(decode(view.delivery)),
        "attempts": view.attempts,
        "submission": None if view.submission is None else submission_text(view.submission),
        "stream": view.stream,
        "campaign": view.run_name if view.campaign else None,
        "reference": view.reference,
        "copies_possible": view.copies_possible,
    }


async def _stories(views: Sequence[MessageView], ledger: Ledger) -> list[MessageStatus]:
    attempts: defaultdict[MessageId, list[AttemptView]] = defaultdict(list)
    for attempt in await ledger.reads.attempts([view.id for view in views]):
        attempts[attempt.message].append(attempt)
    events = await asyncio.gather(*(ledger.events.of(view.id) for view in views))
    entries = await asyncio.gather(*(ledger.journal.of(view.id) for view in views))
    return [
        MessageStatus(**_summed(view), timeline=_timeline(view, attempts[view.id], heard, written))
        for view, heard, written in zip(views, events, entries, strict=True)
    ]


def _timeline(
    view: MessageView, attempts: Sequence[AttemptView], events: Sequence[Event], entries: Sequence[Entry]
) -> list[Moment]:
    moments: list[Moment] = [Acceptance(at=_time(view.accepted))]
    moments += map(_attempt, attempts)
    moments += (_decision(entry) for entry in entries if entry.kind in _DECIDED)
    moments += (_happening(event, _within_its_second(event, attempts)) for event in events)
    return sorted(moments, key=lambda moment: moment.at)  # stable: at the same time, in the order above


# What an attempt shows itself needs no second line. Withdrawals end a claim, too, but their reason is elsewhere.
_BEGUN = {Cause.ACCEPTED, Cause.ADMITTED_WITH_CLAIM, Cause.CLAIMED}
_DECIDED = {*Cause} - OUTCOMES - _BEGUN | {Cause.SUPPRESSED, Cause.CANCELLED, Cause.EXPIRED}


def _attempt(attempt: AttemptView) -> Attempt:
    told: dict[str, Any] = msgspec.json.decode(attempt.outcome) or {}
    return Attempt(
        at=_time(attempt.begun),
        attempt=attempt.fence,
        lane=attempt.lane,
        outcome=told.get("outcome") or attempt.cause,
        ended=None if attempt.settled is None else _time(attempt.settled),
        reply=told.get("reply"),
        reason=told.get("reason") or told.get("what"),
        provider_message_id=attempt.provider_id,
        proved=None if attempt.proved is None else _time(attempt.proved),
    )


def _within_its_second(event: Event, attempts: Sequence[AttemptView]) -> int:
    """SendGrid tells whole seconds, and means some time within: not before the attempt of that second was over."""
    if event.at % 1000:
        return event.at
    begun = [a.settled or a.begun for a in attempts if event.at <= a.begun < event.at + 1000]
    return max((event.at, *begun))


def _happening(event: Event, at: int) -> Happening:
    return Happening(
        at=_time(at),
        event=event.kind,
        provider=event.provider,
        provider_message_id=event.provider_message_id,
        permanence=event.permanence,
        bounce_class=event.bounce_class,
        complaint=event.complaint,
        diagnostic=event.diagnostic,
        link=event.link,
    )


def _decision(entry: Entry) -> Decision:
    return Decision(
        at=_time(entry.at),
        cause=entry.kind,
        who=str(entry.data.get("who") or ""),
        note=str(entry.data.get("note") or ""),
    )


def _time(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
