"""How the guard's word on a whole stream is told: once, with every run that it stopped and how each goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from test_watch import HOUSE, Tower

from kakitome.core.guard import Level, Verdict
from kakitome.core.policy import Kind
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.observe.wording import Text, wording
from kakitome.testing.ledger_world import MINUTE


def verdict(level: Level) -> Verdict:
    return Verdict(level=level, kind="bounces", count=30, sent=510, rate=5.882, limit=5.0, stream="bulk")


def told(lists: int, level: Level, single: bool = True, file: Path | None = None) -> list[Text]:
    """Three watches look at a stream of which this was said."""
    found: list[Text] = []

    async def scene() -> None:
        t = Tower(SqliteLedger(file) if file else MemoryLedger())
        w = t.world
        await w.begin()
        if single:
            await w.stream("bulk", Kind.BULK)
        for k in range(lists):
            await w.campaign("a@example.jp", name=f"list {k}")
        assert await w.ledger.guards.say_of_stream("bulk", 0, verdict(level), w.now)
        await asyncio.gather(*(t.watch().once() for _ in range(3)))
        w.now += MINUTE
        await t.watch().once()
        alerts = await w.ledger.alerts.list(10)
        assert len(t.ear.heard) == len(alerts)
        found.extend(wording(alert, "raised", HOUSE.owners) for alert in alerts)
        await w.ledger.close()

    asyncio.run(scene())
    return found


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_paused_stream_is_one_alert(kind: str, tmp_path: Path) -> None:
    """However many runs it stopped, with a command for each."""
    [text] = told(2, Level.PAUSED, file=tmp_path / "ledger.db" if kind == "sqlite" else None)
    assert text.title == "Paused: bounces or complaints of all of stream bulk together"
    facts = dict(text.facts)
    assert facts["Why"] == "30 of 510 (5.882 %; the limit is 5 %): bounces"
    assert facts["Paused"] == "stream bulk, campaign list 0 (stream bulk), campaign list 1 (stream bulk)"
    assert text.press == (
        "kakitome stream resume bulk",
        "kakitome campaign resume 'list 0'",
        "kakitome campaign resume 'list 1'",
    )


def test_of_many_runs_the_alert_says_where_they_are_named() -> None:
    """A chat is no list of a hundred commands."""
    [text] = told(11, Level.PAUSED, single=False)
    assert dict(text.facts)["Paused"] == "11 runs"
    assert text.press == ("kakitome stream list",)


def test_a_stream_that_is_warned_of_goes_on() -> None:
    """One word, of the stream and not of the run that it was entered for."""
    [text] = told(2, Level.WARNED, single=False)
    assert text.title == "Warning: bounces or complaints of all of stream bulk together"
    assert "Paused" not in dict(text.facts) and text.press == ("kakitome stream list",)


def test_a_word_on_one_run_is_told_of_that_run() -> None:
    """Also single mails, whose stream may be paused: the command is the stream's."""

    async def scene() -> None:
        t = Tower(MemoryLedger())
        w = t.world
        alone = Verdict(level=Level.PAUSED, kind="complaints", count=3, sent=3_000, rate=0.1, limit=0.1)
        for run in (await w.stream("bulk", Kind.BULK), await w.campaign("a@example.jp")):
            assert await w.ledger.guards.say(run, 0, alone, w.now)
        await t.watch().once()
        texts = [wording(alert, "raised", HOUSE.owners) for alert in await w.ledger.alerts.list(10)]
        assert sorted((text.title, *text.press) for text in texts) == [
            ("Paused: bounces or complaints of campaign letter (stream bulk)", "kakitome campaign resume letter"),
            ("Paused: bounces or complaints of stream bulk", "kakitome stream resume bulk"),
        ]

    asyncio.run(scene())
