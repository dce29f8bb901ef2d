"""What became of one mail, told in any order: histories of events, played through a ledger's own verbs, and the picture
that is left in the end.

A history is any list of `core.event.Event` about one mail of `RECIPIENT` that the provider calls `PROVIDER_ID`; each
event carries our correlation or has lost it. Whatever the provider, its parser's events can join.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import msgspec

from kakitome.core import delivery
from kakitome.core.event import Event
from kakitome.core.ids import message_text
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed
from kakitome.ports.ledger import Ledger
from kakitome.ports.records import NamedEvent
from kakitome.sources.ses import parse_ses
from kakitome.testing.ledger_world import DAY, START, World, hashed

RECIPIENT, PROVIDER_ID, OURS = "aoi@example.jp", "ses-1", "ours"
SAMPLES = Path(__file__).parents[1] / "samples" / "events" / "ses"

REPLY = "reply"
"""The provider's answer to the attempt, which may come after its events."""
LATER = "later"
"""A day passes."""

Step: TypeAlias = Event | str
Picture: TypeAlias = dict[str, Any]


# ── Histories ───────────────────────────────────────────────────────────────────────────────────────────────────────


def ses(name: str, second: int, tagged: bool = True, **detail: Any) -> Event:
    """The event in one of AWS's examples, about our mail, so many seconds after its begin; `detail` changes it."""
    opened = json.loads((SAMPLES / f"{name}.json").read_text().replace("recipient@example.com", RECIPIENT))
    stamp = f"2027-01-15T08:{second // 60:02}:{second % 60:02}.000Z"
    kind = opened.get("eventType") or opened["notificationType"]
    inside = opened[{"DeliveryDelay": "deliveryDelay"}.get(kind, kind.split()[-1].lower())]
    inside |= {"timestamp": stamp, **({"feedbackId": f"f-{second}"} if "feedbackId" in inside else {}), **detail}
    tags = {"kakitome_message": [OURS], "kakitome_attempt": [OURS]} if tagged else {}
    opened["mail"] |= {"messageId": PROVIDER_ID, "destination": [RECIPIENT], "timestamp": stamp, "tags": tags}
    (event,) = parse_ses(json.dumps(opened), START + DAY)
    return event


def _bounced(second: int, kind: str, tagged: bool = True) -> Event:
    return ses("event-bounce", second, tagged, bounceType=kind, bounceSubType="General")


def _subscribed(second: int, leaves: bool) -> Event:
    new, old = {"unsubscribeAll": leaves}, {"unsubscribeAll": not leaves}
    return ses("event-subscription", second, newTopicPreferences=new, oldTopicPreferences=old)


SES: dict[str, list[Event]] = {
    "read": [
        ses("event-send", 1),
        ses("event-delivery", 5),
        ses("event-open", 60),
        ses("event-open", 61),
        ses("event-click", 70),
    ],
    "delivered and then bounced": [
        ses("event-send", 1),
        ses("event-delivery", 5),
        _bounced(90, "Permanent"),
        _bounced(30, "Transient"),
    ],
    "late and complained about": [
        ses("event-send", 1),
        ses("event-deliverydelay", 9),
        ses("event-delivery", 300),
        ses("event-complaint", 600),
    ],
    "back again and again": [ses("event-send", 1), *(_bounced(n, "Transient") for n in (20, 40, 50))],
    "without tags": [
        ses("event-send", 1, tagged=False),
        ses("event-delivery", 5, tagged=False),
        _bounced(9, "Undetermined", tagged=False),
        ses("event-open", 60, tagged=False),
    ],
    "some without tags": [
        ses("event-send", 1),
        ses("event-delivery", 5, tagged=False),
        ses("event-complaint", 60, tagged=False, complaintFeedbackType="not-spam"),
        ses("event-click", 70),
    ],
    "left and came back": [
        ses("event-delivery", 5),
        _subscribed(60, leaves=True),
        _subscribed(80, leaves=False),
        ses("event-open", 90),
    ],
    "left": [ses("event-delivery", 5), _subscribed(60, leaves=False), _subscribed(80, leaves=True)],
    "refused": [ses("event-send", 1), ses("event-reject", 3), ses("event-rendering-failure", 2)],
}


def orders(history: Sequence[Event], many: int, seed: int) -> list[list[Step]]:
    """As it happened, reversed, and `many` at random: with the reply and a day's pause anywhere, any event twice."""
    random = Random(seed)
    straight: list[Step] = [REPLY, *history]
    found: list[list[Step]] = [straight, straight[::-1], [*history, REPLY], [*history, LATER, REPLY, *history]]
    while len(found) < many:
        order: list[Step] = [*straight, LATER, *random.sample(history, random.randint(0, len(history)))]
        random.shuffle(order)
        found.append(order)
    return found


# ── Playing them ────────────────────────────────────────────────────────────────────────────────────────────────────


async def play(ledger: Ledger, order: Sequence[Step], number: int = 0) -> Picture:
    """One mail in a stream of its own, claimed, and then what `order` says; `number` keeps it apart from others."""
    w = World(ledger)
    address = f"{number}.{RECIPIENT}"
    [id] = await w.admit(address, run=await w.stream(f"stream-{number}"))
    [claimed] = await w.claim(id)
    for step in order:
        if step == LATER:
            w.now += DAY
        elif isinstance(step, Event):
            await w.fold(_about(step, claimed, number))
        else:
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"{PROVIDER_ID}-{number}")
    return await _picture(w, claimed, number)


def _about(event: Event, claimed: Claimed, number: int) -> NamedEvent:
    """The history's event, as one of this mail."""
    tagged = event.message is not None
    mine = msgspec.structs.replace(
        event,
        key=f"{number}:{event.key}",
        provider_message_id=f"{PROVIDER_ID}-{number}",
        recipient=event.recipient and claimed.address,
        message=message_text(claimed.id) if tagged else None,
        attempt=str(claimed.fence) if tagged else None,
    )
    return NamedEvent(mine, hashed(claimed.address) if mine.recipient else None)


async def _picture(w: World, claimed: Claimed, number: int) -> Picture:
    view = await w.view(claimed.id)
    [attempt] = await w.attempts(claimed.id)
    reads, found = w.ledger.reads, await w.ledger.suppressions.find([hashed(claimed.address)])
    return {
        "state": view.state.word,
        "copies_possible": view.copies_possible,
        "delivery": delivery.decode(view.delivery),
        "attempt": (attempt.cause, attempt.proved, (attempt.provider_id or "").removesuffix(f"-{number}")),
        "rows": await w.rows(claimed.run),
        "counters": dict(await reads.delivery(claimed.run)),
        "suppressions": sorted(s.scope.removesuffix(f"-{number}") for s in found),
        "reasons": sorted(s.reason for s in found),
        "events": [event.key.partition(":")[2] for event in await w.ledger.events.of(claimed.id)],
    }


async def differing(
    make: Callable[[], Ledger], played: Sequence[Sequence[Step]], expected: Picture, apart: Sequence[str] = ()
) -> list[Any]:
    """The orders that left another picture than `expected`, each on a fresh ledger; `apart` from these parts of it."""
    found = []
    for order in played:
        ledger = make()
        told = await play(ledger, order)
        await ledger.close()
        if any(told[part] != expected[part] for part in expected if part not in apart):
            found.append((order, told))
    return found
