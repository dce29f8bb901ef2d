"""What alerts look at, and who tells them. Every figure is counted anew."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence

import msgspec

from kakitome.core.alert import Alert, Facts, Finding, GaveUp, RunSeen
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import State
from kakitome.core.message import Entry, Run
from kakitome.core.policy import Kind
from kakitome.ledgers.memory.book import Book, Message, TellingBook
from kakitome.ports.alerts import BEGINNING, GOING, TAKEN, TELLING, Count, News, Sight, Telling
from kakitome.ports.workers import HEARTBEAT_LIMIT


class MemoryLookout:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._cursor = 0
        self._went: dict[RunId, int] = {}
        self._begun: dict[RunId, int] = {}

    async def look(self, now: int) -> Sight:
        running = [book.run for book in self._book.runs.values() if book.run.state == "running"]
        seen = [
            run_seen(run, self._book.of_run(run.id), now, self._went.get(run.id), self._begun.get(run.id))
            for run in sorted(running, key=lambda run: run.id)
        ]
        beats = [worker.heartbeat for worker in self._book.workers.values()]
        return Sight(
            runs=tuple(run for run in seen if run.oldest is not None),
            gave_up=tuple(self._gave_up()),
            workers=sum(beat > now - HEARTBEAT_LIMIT for beat in beats),
            last_beat=max(beats, default=None),
        )

    def _gave_up(self) -> Iterable[GaveUp]:
        for id in sorted(self._book.runs):
            run, states = self._book.runs[id].run, [m.state for m in self._book.of_run(id)]
            dead, unresolved = states.count(State.DEAD), states.count(State.UNRESOLVED)
            if dead or unresolved:
                yield GaveUp(run=id, name=run.name, stream=run.stream, dead=dead, unresolved=unresolved)

    async def count(self, runs: Sequence[RunId], now: int) -> dict[RunId, Count]:
        of_runs = {run: self._book.of_run(run) for run in runs}
        return {run: Count(waiting(of, now), sum(m.state is State.SENT for m in of)) for run, of in of_runs.items()}

    async def news(self, n: int) -> News:
        behind = [entry for entry in self._book.journal if entry.seq > self._cursor]
        return news_of(behind[:n], self._cursor, len(behind) > n)

    async def advance(self, news: News) -> bool:
        if news.after != self._cursor:
            return False
        self._cursor = news.to
        for known, newer in ((self._went, news.went), (self._begun, news.begun)):
            for run, at in newer.items():
                known[run] = max(at, known.get(run, at))
        return True


def run_seen(run: Run, of: Iterable[Message], now: int, went: int | None, begun: int | None) -> RunSeen:
    """A running run with these messages, as alerts see it."""
    of = list(of)
    waiting = [m for m in of if _waits(m, now)]
    # Claimed before: since then, or since it was due if a settlement left that as it was.
    since = [m.due for m in waiting if m.due <= now] + [
        m.first_claimed for m in waiting if m.first_claimed is not None and not m.resends
    ]
    in_hand = [
        m.first_claimed for m in of if m.state is State.SENDING and m.first_claimed is not None and not m.resends
    ]
    return RunSeen(
        run=run.id,
        name=run.name,
        stream=run.stream,
        campaign=run.campaign,
        listed=run.campaign or run.policy.kind is Kind.BULK,
        since=min(since, default=None),
        in_hand=min(in_hand, default=None),
        went=went,
        begun=begun,
    )


def waiting(of: Iterable[Message], now: int) -> int:
    """How many wait or are in hand."""
    return sum(_waits(m, now) or m.state is State.SENDING for m in of)


def news_of(read: Sequence[Entry], after: int, more: bool) -> News:
    by_time = [(e.run, e.at, e.kind) for e in sorted(read, key=lambda e: e.at) if e.run is not None]
    return News(
        after=after,
        to=read[-1].seq if read else after,
        more=more,
        went={run: at for run, at, kind in by_time if kind in GOING},
        begun={run: at for run, at, kind in by_time if kind in BEGINNING},
        entries=tuple(e for e in read if e.kind in TELLING),
    )


def _waits(m: Message, now: int) -> bool:
    return m.state is State.QUEUED and (m.due <= now or m.first_claimed is not None)


class MemoryAlerts:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def raise_(self, finding: Finding, channels: Sequence[str], seen: int, now: int) -> Alert | None:
        of_key = [a for a in self._book.alerts.values() if a.key == finding.key]
        if any(a.ended is None or not finding.lasting or a.ended >= seen for a in of_key):
            return None
        if finding.key in self._book.told_once:
            return None
        alert = Alert(
            id=max(self._book.alerts, default=0) + 1,
            key=finding.key,
            kind=finding.kind,
            level=finding.level,
            since=finding.since,
            raised=now,
            ended=None if finding.lasting else now,
            facts=finding.facts,
        )
        self._book.alerts[alert.id] = alert
        self._to_tell(alert.id, "raised", channels, now)
        self._book.enter(now, "alert_raised", alert=alert.id, key=alert.key, level=alert.level)
        return self._view(alert)

    def _to_tell(self, alert: int, part: str, channels: Sequence[str], now: int) -> None:
        self._book.tellings += [TellingBook(alert, part, channel, now) for channel in channels]

    async def renew(self, id: int, facts: Facts) -> bool:
        return self._change(id, facts, None)

    async def end(self, id: int, facts: Facts, channels: Sequence[str], now: int) -> bool:
        if not self._change(id, facts, now):
            return False
        self._book.tellings = [t for t in self._book.tellings if t.alert != id or t.told is not None]
        self._to_tell(id, "ended", channels, now)
        self._book.enter(now, "alert_ended", alert=id, key=self._book.alerts[id].key)
        return True

    def _change(self, id: int, facts: Facts, ended: int | None) -> bool:
        known = self._book.alerts.get(id)
        if known is None or known.ended is not None:
            return False
        self._book.alerts[id] = msgspec.structs.replace(known, facts=facts, ended=ended)
        return True

    async def take(self, channels: Sequence[str], n: int, now: int) -> builtins.list[Telling]:
        free = [t for t in self._book.tellings if t.told is None and t.until <= now and t.channel in channels]
        taken = sorted(free, key=lambda t: t.until)[:n]
        for one in taken:
            one.until, one.tries = now + TAKEN, one.tries + 1
        taken.sort(key=lambda t: (t.alert, t.part, t.channel))
        return [Telling(self._view(self._book.alerts[t.alert]), t.part, t.channel, t.tries) for t in taken]

    async def told(self, telling: Telling, again: int | None, now: int) -> None:
        mine = (telling.alert.id, telling.part, telling.channel, telling.tries)
        for one in self._book.tellings:
            if (one.alert, one.part, one.channel, one.tries) == mine and one.told is None:
                if again is not None:
                    one.until = again
                    continue
                one.told = now
                self._book.enter(now, "alert_told", alert=one.alert, part=one.part, channel=one.channel)

    async def list(self, n: int) -> builtins.list[Alert]:
        alerts = [self._view(alert) for _, alert in sorted(self._book.alerts.items())]
        ended = sorted((a for a in alerts if a.ended is not None), key=lambda a: (-(a.ended or 0), -a.id))
        return [a for a in alerts if a.ended is None] + ended[:n]

    def _view(self, alert: Alert) -> Alert:
        of = [(t.part, t.channel, t.told) for t in self._book.tellings if t.alert == alert.id]
        told = sorted(sorted(of, key=lambda t: t[1]), key=lambda t: t[0], reverse=True)
        return msgspec.structs.replace(alert, told=tuple(told))
