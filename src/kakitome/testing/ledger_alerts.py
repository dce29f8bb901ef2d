"""What alerts look at, and who tells them."""

from __future__ import annotations

from kakitome.core.alert import Alert, Facts, Finding, Kind, RunSeen
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause
from kakitome.ports.alerts import TAKEN
from kakitome.testing.ledger_world import HOUR, MINUTE, Clauses, World, clause

LATE = Finding(key="late:hotel", kind=Kind.LATE, since=0, facts=Facts(why="unknown", owners=("hotel",)))
ONCE = Finding(key="guard:7", kind=Kind.GUARD, since=0, facts=Facts(what="paused"), lasting=False)
BOTH = ("slack", "webhook")


async def _raised(w: World, finding: Finding = LATE) -> Alert | None:
    return await w.ledger.alerts.raise_(finding, BOTH, w.now, w.now)


async def _run(w: World, run: RunId) -> RunSeen | None:
    sight = await w.ledger.lookout.look(w.now)
    return next((seen for seen in sight.runs if seen.run == run), None)


async def _caught_up(w: World) -> None:
    while True:
        news = await w.ledger.lookout.news(3)
        assert await w.ledger.lookout.advance(news)
        if not news.more:
            return


class Alerts(Clauses):
    @clause
    async def test_mail_waits_since_it_was_due_or_first_tried(self, w: World) -> None:
        """Scheduled mail does not wait; what came back waits since its first try, also while its next is in future."""
        run = await w.stream()
        await w.admit(run=run, due=w.now + HOUR)
        assert await _run(w, run) is None
        [id] = await w.admit(run=run)
        w.now += MINUTE
        seen = await _run(w, run)
        assert seen is not None and (seen.since, seen.in_hand, seen.listed) == (w.now - MINUTE, None, False)
        [claimed] = await w.claim(id)
        tried = w.now
        seen = await _run(w, run)
        assert seen is not None and (seen.since, seen.in_hand) == (None, tried)
        await w.settle(claimed, Cause.DEFERRED, due=w.now + HOUR)
        w.now += MINUTE
        seen = await _run(w, run)
        assert seen is not None and (seen.since, seen.in_hand) == (tried, None)
        assert (await w.ledger.lookout.count([run], w.now))[run].waiting == 1

    @clause
    async def test_what_is_paused_or_in_doubt_does_not_wait(self, w: World) -> None:
        """A person paused it, or it probably went."""
        run = await w.campaign("a@example.jp", "b@example.jp")
        seen = await _run(w, run)
        assert seen is not None and (seen.since, seen.listed, seen.campaign) == (w.now, True, True)
        await w.move(run, "paused")
        assert await _run(w, run) is None
        one = await w.one()
        await w.settle(one, Cause.UNCERTAIN, due=w.now + HOUR)
        assert (await w.ledger.lookout.look(w.now)).runs == ()

    @clause
    async def test_the_time_of_a_doubt_is_no_delay(self, w: World) -> None:
        """What is sent again after an hour of silence has just begun to wait, also while it is in hand."""
        one = await w.one()
        await w.settle(one, Cause.UNCERTAIN, due=w.now + HOUR)
        w.now += HOUR
        await w.resolve(one.id, Cause.SILENCE)
        [seen] = (await w.ledger.lookout.look(w.now)).runs
        assert seen.oldest == w.now
        w.now += MINUTE
        [seen] = (await w.ledger.lookout.look(w.now)).runs
        assert seen.oldest == w.now - MINUTE
        await w.claim(one.id)
        assert all(run.oldest is None for run in (await w.ledger.lookout.look(w.now)).runs)

    @clause
    async def test_what_needs_a_person_is_counted_by_run(self, w: World) -> None:
        """Dead and unresolved, whatever the run's state; nothing where a person has decided."""
        one = await w.one()
        await w.settle(one, Cause.EXHAUSTED)
        [gave_up] = (await w.ledger.lookout.look(w.now)).gave_up
        assert (gave_up.stream, gave_up.dead, gave_up.unresolved) == ("booking", 1, 0)
        await w.resolve(one.id, Cause.PERSON_CLOSED)
        assert (await w.ledger.lookout.look(w.now)).gave_up == ()

    @clause
    async def test_who_lives_is_counted(self, w: World) -> None:
        """By heartbeats of the last minute; the last one is told however old it is."""
        await w.begin("w1")
        begun = w.now
        assert (await w.ledger.lookout.look(w.now)).workers == 1
        w.now += MINUTE
        sight = await w.ledger.lookout.look(w.now)
        assert (sight.workers, sight.last_beat) == (0, begun)

    @clause
    async def test_the_journal_says_when_a_run_went_on(self, w: World) -> None:
        """Acceptances and refusals are going on; an attempt that came back is not. Read in small pieces, by one."""
        run = await w.campaign("a@example.jp", "b@example.jp")
        ids = await w.ledger.messages.due(run, 10, w.now)
        began = w.now
        w.now += MINUTE
        first, second = await w.claim(*ids)
        await w.settle(first, Cause.PROVIDER_ACCEPTED, "p1")
        went = w.now
        w.now += MINUTE
        await w.settle(second, Cause.UNAVAILABLE, due=w.now)
        await _caught_up(w)
        seen = await _run(w, run)
        assert seen is not None and (seen.went, seen.begun) == (went, began)
        assert (await w.ledger.lookout.count([run], w.now))[run].sent == 1

    @clause
    async def test_one_reader_moves_the_cursor(self, w: World) -> None:
        """Who was slower is told so; entries that are alerts come in full, each until the cursor is behind it."""
        await w.ledger.journal.note("guard_paused", {"run": "news"}, w.now)
        await w.admit()
        one, other = await w.ledger.lookout.news(100), await w.ledger.lookout.news(100)
        assert [entry.data for entry in one.entries] == [{"run": "news"}] and one == other
        assert await w.ledger.lookout.advance(one)
        assert not await w.ledger.lookout.advance(other)
        assert (await w.ledger.lookout.news(100)).entries == ()

    @clause
    async def test_one_incident_is_raised_once(self, w: World) -> None:
        """Whoever comes second raises nothing, until it has ended; a look from before the end raises nothing then."""
        alert = await _raised(w)
        assert alert is not None and alert.ended is None
        assert await _raised(w) is None
        looked, w.now = w.now, w.now + MINUTE
        assert await w.ledger.alerts.end(alert.id, alert.facts, BOTH, w.now)
        assert not await w.ledger.alerts.end(alert.id, alert.facts, BOTH, w.now)
        assert await w.ledger.alerts.raise_(LATE, BOTH, looked, w.now) is None
        w.now += 1
        assert await _raised(w) is not None
        kinds = [e.kind for e in await w.journal() if e.kind.startswith("alert_")]
        assert kinds == ["alert_raised", "alert_ended", "alert_raised"]

    @clause
    async def test_what_does_not_last_is_raised_once_for_ever(self, w: World) -> None:
        """It is over at once, its beginning is told all the same, and its key is used up."""
        alert = await _raised(w, ONCE)
        assert alert is not None and alert.ended == w.now
        w.now += HOUR
        assert await _raised(w, ONCE) is None
        assert [t.part for t in await w.ledger.alerts.take(BOTH, 10, w.now)] == ["raised", "raised"]

    @clause
    async def test_a_telling_is_taken_by_one(self, w: World) -> None:
        """For a minute; what is not marked as told by then is anybody's, and the first taker's word counts no more."""
        await _raised(w)
        first = await w.ledger.alerts.take(["slack"], 10, w.now)
        assert [(t.part, t.channel, t.tries) for t in first] == [("raised", "slack", 1)]
        assert await w.ledger.alerts.take(["slack"], 10, w.now + TAKEN - 1) == []
        w.now += TAKEN
        second = await w.ledger.alerts.take(["slack"], 10, w.now)
        assert [t.tries for t in second] == [2]
        await w.ledger.alerts.told(first[0], w.now, w.now)
        assert await w.ledger.alerts.take(["slack"], 10, w.now) == []
        await w.ledger.alerts.told(second[0], None, w.now)
        w.now += HOUR
        assert await w.ledger.alerts.take(["slack"], 10, w.now) == []
        [alert] = await w.ledger.alerts.list(10)
        assert alert.told == (("raised", "slack", w.now - HOUR), ("raised", "webhook", None))
        assert [e.data["channel"] for e in await w.journal() if e.kind == "alert_told"] == ["slack"]

    @clause
    async def test_a_failed_telling_comes_again(self, w: World) -> None:
        """Not before its time."""
        await _raised(w)
        [taken] = await w.ledger.alerts.take(["slack"], 10, w.now)
        await w.ledger.alerts.told(taken, w.now + 5_000, w.now)
        assert await w.ledger.alerts.take(["slack"], 10, w.now + 4_999) == []
        assert [t.tries for t in await w.ledger.alerts.take(["slack"], 10, w.now + 5_000)] == [2]

    @clause
    async def test_the_end_takes_the_place_of_an_untold_beginning(self, w: World) -> None:
        """Nobody hears of a beginning behind its end; what was told stays told."""
        alert = await _raised(w)
        assert alert is not None
        [slack] = await w.ledger.alerts.take(["slack"], 10, w.now)
        await w.ledger.alerts.told(slack, None, w.now)
        [late] = await w.ledger.alerts.take(["webhook"], 10, w.now)
        await w.ledger.alerts.end(alert.id, alert.facts, BOTH, w.now)
        await w.ledger.alerts.told(late, None, w.now)
        told = await w.ledger.alerts.take(BOTH, 10, w.now)
        assert [(t.part, t.channel) for t in told] == [("ended", "slack"), ("ended", "webhook")]
        [alert] = await w.ledger.alerts.list(10)
        assert ("raised", "slack", w.now) in alert.told

    @clause
    async def test_what_an_open_alert_says_can_change(self, w: World) -> None:
        """Without anybody being told; not once it has ended. The list has the open ones first."""
        alert = await _raised(w)
        once = await _raised(w, ONCE)
        assert alert is not None and once is not None
        facts = Facts(why="provider")
        assert await w.ledger.alerts.renew(alert.id, facts)
        assert [(a.id, a.facts) for a in await w.ledger.alerts.list(1)] == [(alert.id, facts), (once.id, once.facts)]
        await w.ledger.alerts.end(alert.id, facts, (), w.now)
        assert not await w.ledger.alerts.renew(alert.id, alert.facts)
