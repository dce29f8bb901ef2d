"""The ledger's contract: what the guard sees, and that it speaks once."""

from __future__ import annotations

from typing import Any

from kakitome.core.event import BounceClass, EventKind, Permanence
from kakitome.core.guard import Figures, Level, Verdict
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed
from kakitome.testing.ledger_world import MINUTE, Clauses, World, clause

DEAD: dict[str, Any] = {"permanence": Permanence.PERMANENT, "bounce_class": BounceClass.INVALID_RECIPIENT}


def verdict(level: Level = Level.PAUSED) -> Verdict:
    return Verdict(level=level, kind="bounces", count=1, sent=2, rate=50.0, limit=5.0)


async def figures(w: World, run: RunId) -> Figures:
    [watched] = await w.ledger.guards.watched(run)
    return watched.figures


async def sent(w: World, run: RunId, n: int) -> list[Claimed]:
    """The next `n` messages of the run, accepted."""
    claims = await w.claim(*await w.ledger.messages.due(run, n, w.now))
    for claimed in claims:
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{claimed.id}")
    return claims


class Guards(Clauses):
    @clause
    async def test_the_guard_counts_as_ses_counts(self, w: World) -> None:
        """Permanent bounces and complaints, each message once; not what passes, nor what the provider's list stopped,
        nor what somebody took out of the spam folder."""
        run = await w.campaign(*(f"{n}@example.jp" for n in range(6)))
        one, two, three, four, five, _ = await sent(w, run, 6)
        await w.fold(w.event(EventKind.BOUNCED, one, **DEAD), w.event(EventKind.BOUNCED, one, **DEAD))
        await w.fold(w.event(EventKind.BOUNCED, two, permanence=Permanence.TRANSIENT))
        own_list = {"permanence": Permanence.PERMANENT, "bounce_class": BounceClass.SUPPRESSED}
        await w.fold(w.event(EventKind.BOUNCED, three, **own_list))
        await w.fold(w.event(EventKind.COMPLAINED, four, complaint="abuse"), w.event(EventKind.COMPLAINED, four))
        await w.fold(w.event(EventKind.COMPLAINED, five, complaint="not-spam"))
        assert await figures(w, run) == Figures(sent=6, bounced=1, complained=1)
        assert (await w.ledger.reads.delivery(run))["bounced"] == 3

    @clause
    async def test_what_is_on_its_way_counts_as_sent(self, w: World) -> None:
        """Events overtake the settlements of a fast list: its bounces are a share of all that may have gone out."""
        run = await w.campaign(*(f"{n}@example.jp" for n in range(3)))
        one, *_ = await w.claim(*await w.ledger.messages.due(run, 2, w.now))
        await w.fold(w.event(EventKind.BOUNCED, one, **DEAD))
        assert await figures(w, run) == Figures(sent=2, bounced=1)

    @clause
    async def test_the_guards_figures_know_no_order(self, w: World) -> None:
        """A bounce that turns out to be the provider's own list, by an earlier event, is not counted any more."""
        run = await w.campaign("a@example.jp", "b@example.jp")
        for k, claimed in enumerate(await sent(w, run, 2)):
            events = [
                w.event(EventKind.BOUNCED, claimed, at=w.now + 9, **DEAD),
                w.event(EventKind.BOUNCED, claimed, at=w.now + 3, **DEAD | {"bounce_class": BounceClass.SUPPRESSED}),
            ]
            for event in events if k else reversed(events):
                await w.fold(event)
        assert await figures(w, run) == Figures(sent=2)

    @clause
    async def test_the_guard_speaks_once(self, w: World) -> None:
        """A warning, then a pause, each once however many workers say it; the pause stops the run."""
        run = await w.campaign("a@example.jp", "b@example.jp")
        answers = [
            await w.ledger.guards.say(run, 0, verdict(level), w.now)
            for level in (Level.WARNED, Level.WARNED, Level.PAUSED, Level.PAUSED, Level.WARNED)
        ]
        assert answers == [True, False, True, False, False]
        assert (await w.run(run)).state == "paused"
        assert await w.ledger.messages.claim(await w.ledger.messages.due(run, 2, w.now), "w1", "ses", 1, w.now) == []
        kinds = [entry.kind for entry in await w.journal() if entry.kind.startswith("guard")]
        assert kinds == ["guard_warned", "guard_paused"]
        assert await w.ledger.guards.watched() == []
        [watched] = await w.ledger.guards.watched(run)
        assert watched.verdict == verdict()

    @clause
    async def test_a_campaign_that_is_done_may_be_warned_of(self, w: World) -> None:
        """Its mail was faster than its bounces: it is among the watched for a while, and there is nothing to pause."""
        run = await w.campaign("a@example.jp")
        made = (await w.run(run)).created
        await sent(w, run, 1)
        await w.move(run, "done")
        assert await w.ledger.guards.watched() == []
        assert await w.ledger.guards.watched(since=made + 1) == []
        assert [there.run.id for there in await w.ledger.guards.watched(since=made)] == [run]
        assert not await w.ledger.guards.say(run, 0, verdict(Level.PAUSED), w.now)
        assert await w.ledger.guards.say(run, 0, verdict(Level.WARNED), w.now)
        assert (await w.run(run)).state == "done"

    @clause
    async def test_a_resumed_run_is_judged_by_what_it_sends_then(self, w: World) -> None:
        """After the guard's pause the figures begin anew: a late bounce of what was sent before does not count, and
        who still holds the old figures has no say."""
        run = await w.campaign(*(f"{n}@example.jp" for n in range(4)))
        early = await sent(w, run, 2)
        await w.fold(w.event(EventKind.BOUNCED, early[0], **DEAD))
        assert await w.ledger.guards.say(run, 0, verdict(), w.now)
        w.now += MINUTE
        await w.move(run, "running")
        assert not await w.ledger.guards.say(run, 0, verdict(), w.now)
        [late] = await sent(w, run, 1)
        await w.fold(w.event(EventKind.BOUNCED, early[1], **DEAD), w.event(EventKind.BOUNCED, late, **DEAD))
        assert await figures(w, run) == Figures(since=w.now, sent=1, bounced=1)

    @clause
    async def test_a_persons_pause_is_no_new_window(self, w: World) -> None:
        """Who pauses and resumes by hand wipes nothing out."""
        run = await w.campaign("a@example.jp")
        [claimed] = await sent(w, run, 1)
        await w.fold(w.event(EventKind.BOUNCED, claimed, **DEAD))
        await w.move(run, "paused")
        assert not await w.ledger.guards.say(run, 0, verdict(Level.WARNED), w.now)
        await w.move(run, "running")
        assert await figures(w, run) == Figures(sent=1, bounced=1)

    @clause
    async def test_a_window_begins_once(self, w: World) -> None:
        """Of two workers that close a window, one does; the next one has other figures."""
        run = await w.stream()
        [claimed] = await w.claim(*await w.admit(run=run))
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")
        assert await w.ledger.guards.say(run, 0, verdict(Level.WARNED), w.now)
        w.now += MINUTE
        assert [await w.ledger.guards.begin_window(run, 0, w.now) for _ in range(2)] == [True, False]
        assert await figures(w, run) == Figures(since=w.now)
