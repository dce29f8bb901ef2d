"""Events out of a queue: durable before they are deleted, poison set aside, trouble waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from workshop import Workshop

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.event import Event, EventKind
from kakitome.drain import Drain
from kakitome.ports.event_queue import QueueUnavailable, Reading, Received
from kakitome.sources.sns_records import read

SAMPLE = json.loads((Path(__file__).parents[1] / "samples" / "ses-bounce-notification.json").read_text())
NAME = "https://sqs.us-east-1.amazonaws.com/123456789012/events"


def bounce(n: int) -> str:
    return json.dumps(SAMPLE | {"bounce": SAMPLE["bounce"] | {"feedbackId": f"f-{n}"}})


class Scripted:
    """A queue that gives what was not deleted, again and again, and stops the test when it is asked too often."""

    name = NAME

    def __init__(self, *bodies: str, asked: int = 1) -> None:
        self.there = {str(n): body for n, body in enumerate(bodies)}
        self.asked = asked
        self.fails: list[Exception] = []
        self.closed = 0
        self.heard: list[str] = []

    async def receive(self) -> Sequence[Received]:
        if self.asked == 0:
            raise asyncio.CancelledError
        self.asked -= 1
        if self.fails:
            raise self.fails.pop(0)
        return [Received(id, f"r-{id}", body) for id, body in self.there.items()]

    async def delete(self, messages: Sequence[Received]) -> None:
        self.heard.append("deleted")
        for message in messages:
            self.there.pop(message.id)

    async def close(self) -> None:
        self.closed += 1


class Case:
    def __init__(self, queue: Scripted, read_as: Callable[[str], Reading] | None = None) -> None:
        self.shop = Workshop()
        self.queue = queue
        reading = read_as or (lambda body: read(body, [], self.shop.clock.now()))
        self.drain = Drain(queue, reading, self.shop.ledger, self.shop.clock, queue.heard.append)

    def run(self) -> None:
        """Until the script is over."""
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(self.drain.run())

    def kinds(self) -> list[str]:
        return [entry.kind for entry in asyncio.run(self.shop.ledger.journal.read(0, 1000))]


def test_durable_before_deleted() -> None:
    """The fold has returned before the queue hears of it."""
    case = Case(Scripted(bounce(1), bounce(2)))
    case.run()
    assert case.queue.heard == ["before_fold", "after_fold", "deleted"]
    assert case.kinds().count("event_unmatched") == 2
    assert case.queue.there == {}


def test_twice_is_once() -> None:
    """A message that comes again because it could not be deleted changes nothing."""
    case = Case(Scripted(bounce(1), bounce(1), asked=2))
    case.run()
    assert case.kinds().count("event_unmatched") == 1


def test_poison_is_set_aside_and_deleted() -> None:
    """Else it would come until the queue throws it away; the good ones beside it are taken in."""
    case = Case(Scripted("poison", bounce(1)))
    case.run()
    entries = asyncio.run(case.shop.ledger.journal.read(0, 1000))
    (kept,) = [entry for entry in entries if entry.kind == "event_quarantined"]
    assert (kept.data["message"], kept.data["queue"], kept.data["id"]) == ("poison", NAME, "0")
    assert kept.data["why"]
    assert case.kinds().count("event_unmatched") == 1
    assert case.queue.there == {}


def test_a_greeting_is_noted() -> None:
    """The journal says since when the way is open."""
    case = Case(Scripted("Successfully validated SNS topic for Amazon SES event publishing."))
    case.run()
    assert case.kinds() == ["topic_connected"]
    assert case.queue.there == {}


def test_a_ledger_that_is_down_keeps_the_queue_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is deleted; it is tried again, with longer pauses; then all is there once."""
    case = Case(Scripted(bounce(1), asked=4))
    whole, down = case.shop.ledger.events.fold, [True, True, True]

    async def fold(events: object, now: int) -> object:
        if down:
            down.pop()
            raise LedgerUnavailable("The disk is full.")
        return await whole(events, now)  # type: ignore[arg-type]

    monkeypatch.setattr(case.shop.ledger.events, "fold", fold)
    case.run()
    assert case.queue.heard == [*["before_fold"] * 4, "after_fold", "deleted"]
    assert case.shop.clock.slept == [1.0, 2.0, 4.0]
    assert case.kinds().count("event_unmatched") == 1


@pytest.mark.parametrize("body", ["poison", "Successfully validated SNS topic for Amazon SES event publishing."])
def test_what_is_no_event_is_durable_before_it_is_deleted(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Poison whose quarantine failed stays in the queue, too."""
    case = Case(Scripted(body, asked=1))

    async def full(*_: object) -> None:
        raise LedgerUnavailable("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(case.shop.ledger.journal, "note", full)
        case.run()
    assert len(case.queue.there) == 1
    case.queue.asked = 1
    case.run()
    assert case.queue.there == {} and len(case.kinds()) == 1


def test_what_only_the_ledger_cannot_bear_is_poison() -> None:
    """An event that breaks the fold goes into quarantine alone, and the others of its batch into the ledger."""

    def strange(body: str) -> Reading:
        at = "soon" if body == "strange" else 1
        event = Event(key=body, kind=EventKind.SENT, at=at, provider="ses", provider_message_id=body)  # type: ignore[arg-type]
        return Reading((event,))

    case = Case(Scripted("strange", "good"), strange)

    async def fold(events: Sequence[object], now: int) -> object:
        if any(not isinstance(named.event.at, int) for named in events):  # type: ignore[attr-defined]
            raise TypeError("soon")
        return await whole(events, now)  # type: ignore[arg-type]

    whole = case.shop.ledger.events.fold
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case.shop.ledger.events, "fold", fold)
        case.run()
    assert sorted(case.kinds()) == ["event_quarantined", "event_unmatched"]
    assert case.queue.there == {}


def test_trouble_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not every second for a night; and its end is said, too. The pause grows to a minute and begins anew."""
    case = Case(Scripted(asked=12))
    case.queue.fails = [QueueUnavailable("Events wait.", "Look at the keys.")] * 9
    with caplog.at_level("WARNING", "kakitome.events"):
        case.run()
    assert [record.message for record in caplog.records] == [
        "Events wait. Look at the keys.",
        f"Events come again out of {NAME}.",
    ]
    assert case.shop.clock.slept == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_error_of_ours_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    """A worker's other tasks go on, and this one is tried again."""
    case = Case(Scripted(bounce(1), asked=2))
    case.queue.fails = [ZeroDivisionError("oops")]
    with caplog.at_level("WARNING", "kakitome.events"):
        case.run()
    assert "error of ours" in caplog.records[0].message and case.queue.there == {}


def test_it_closes_what_it_opened() -> None:
    """However it ends."""
    case = Case(Scripted())
    case.run()
    assert case.queue.closed == 1
