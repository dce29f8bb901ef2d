"""Twenty thousand orders of what became of a mail give one picture for each history, on both ledgers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from histories import LATER, PROVIDER_ID, RECIPIENT, REPLY, SES, Picture, Step, differing, orders, play, ses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.testing.ledger_world import START

IN_MEMORY, IN_SQLITE = 19_440, 720
"""Orders, over all histories together: 20,160."""


def pictured(order: list[Step]) -> Picture:
    """As the ledger that is the specification has it."""
    return asyncio.run(play(MemoryLedger(), order))


@pytest.mark.parametrize("name", SES)
def test_any_order_gives_one_picture(name: str) -> None:
    """Before the reply, twice, reversed, a day late: state, delivery, counters and suppressions are the same."""
    expected = pictured([REPLY, *SES[name]])
    assert expected["state"] == "sent" and expected["events"]
    played = orders(SES[name], IN_MEMORY // len(SES), seed=len(name))
    assert asyncio.run(differing(MemoryLedger, played, expected)) == []


@pytest.mark.parametrize("name", SES)
def test_any_order_gives_one_picture_in_sqlite(name: str, tmp_path: Path) -> None:
    """The same, of the same picture, on the ledger that is used; its books balance."""
    expected = pictured([REPLY, *SES[name]])

    async def run() -> list[object]:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        played = orders(SES[name], IN_SQLITE // len(SES), seed=1 + len(name))
        found: list[object] = []
        for n, order in enumerate(played):
            if (told := await play(ledger, order, n)) != expected:
                found.append((order, told))
        found += await ledger.reads.verify()
        await ledger.close()
        return found

    assert asyncio.run(run()) == []


def test_the_pictures_are_not_all_the_same() -> None:
    """Each history says something else; a ledger that forgot everything would pass else."""
    pictures = [pictured([REPLY, *history]) for history in SES.values()]
    assert len({str(picture) for picture in pictures}) == len(SES)
    words = {word for picture in pictures for word, n in picture["counters"].items() if n}
    assert words == {"delivered", "delayed", "rejected", "bounced", "complained", "opened", "clicked"}
    assert {reason for picture in pictures for reason in picture["reasons"]} >= {"bounce", "complaint"}


def test_pinned_the_last_is_told_first() -> None:
    """A click and a second look, then the delivery they came from, the reply a day after, the first look, and the
    delivery again."""
    delivered, opened, clicked = ses("event-delivery", 5), ses("event-open", 60), ses("event-click", 70)
    again = ses("event-open", 65)
    told = pictured([clicked, again, delivered, LATER, REPLY, opened, delivered])
    assert told == pictured([REPLY, delivered, opened, again, clicked])
    assert told["delivery"].opened == START // 60_000 * 60_000 + 60_000
    at = START // 60_000 * 60_000  # the histories begin on the minute that worlds begin on
    assert (told["delivery"].delivered, told["delivery"].clicked) == (at + 5_000, at + 70_000)
    assert told["attempt"][1] == at + 5_000


def test_pinned_without_tags_before_the_reply() -> None:
    """It belongs to nobody until the reply says whose id that is, and then counts as if it had come after."""
    bounced = ses("event-bounce", 9, tagged=False)
    told = pictured([bounced, bounced, LATER, REPLY])
    assert told == pictured([REPLY, bounced])
    assert (told["counters"]["bounced"], told["suppressions"], told["reasons"]) == (1, ["all"], ["bounce"])


happenings = st.builds(
    Event,
    key=st.uuids().map(str),
    kind=st.sampled_from(EventKind),
    at=st.integers(START - 1_000, START + 100_000),
    provider=st.just("any"),
    provider_message_id=st.just(PROVIDER_ID),
    recipient=st.sampled_from([RECIPIENT, None]),
    message=st.sampled_from(["ours", None]),
    permanence=st.sampled_from([*Permanence, None]),
    bounce_class=st.sampled_from([BounceClass.OTHER, BounceClass.SUPPRESSED, None]),
    complaint=st.sampled_from(["abuse", "not-spam", None]),
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(happenings, min_size=1, max_size=8, unique_by=lambda event: event.key), st.integers(0, 2**32))
def test_walks_of_any_providers_events(history: list[Event], seed: int) -> None:
    """Whatever kinds and judgements a provider sends about one mail. Of several events that call for the same
    suppression the first that came is named (`ports.records.Events.fold`), so reasons may differ."""
    expected = pictured([REPLY, *history])
    assert asyncio.run(differing(MemoryLedger, orders(history, 12, seed), expected, apart=["reasons"])) == []
