"""The watch: looks, decides, and tells. Every worker keeps it, and so may a process that does nothing else.

Any number of them may run: the ledger lets one raise an alert and one tell it. Whoever tells has a minute for it; what
is not marked as told by then (a kill, a hung line) is told by whoever sees it. Nothing here is in the way of mail.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence

import msgspec

from kakitome.core.alert import Facts, Finding, GaveUp, Kind, Late, Level, RunSeen, Seen, Stopped
from kakitome.core.alert_rules import Decision, Rules, decide
from kakitome.core.errors import KakitomeError
from kakitome.core.guard import Verdict
from kakitome.core.ids import RunId
from kakitome.core.lane import is_canary
from kakitome.core.message import Entry, Run
from kakitome.observe.channels import Channel, House
from kakitome.observe.post import NotTold
from kakitome.observe.wording import line, wording
from kakitome.ports.accounts import GateState, Parking
from kakitome.ports.alerts import Count, Sight, Telling
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger

log = logging.getLogger("kakitome.alerts")

READ = 10_000  # journal entries in one look
TOGETHER = 16  # tellings under way at once
SLOW = 2.0  # seconds that a look may take before the ledger itself is the likely cause
FIRST_RETRY, LONGEST_RETRY = 15_000, 900_000  # ms
DETAIL = 300  # characters of a provider's answer
HOUR = 3_600_000

_ADDRESS = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;]+")


class Watch:
    """`channels` are those that this process can reach, out of `house.channels`; `every` in seconds."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        house: House,
        rules: Rules,
        channels: Mapping[str, Channel],
        every: float,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._house = house
        self._rules = rules
        self._channels = channels
        self._every = every

    async def run(self) -> None:
        """Until cancelled. Trouble is logged and met again."""
        while True:
            wait = self._every
            try:
                wait = await self.once()
            except KakitomeError as error:
                log.error("Alerts cannot be looked at now. %s", error)
            except Exception:
                log.exception("An error of ours. Alerts are looked at again.")
            await self._clock.sleep(wait)

    async def once(self) -> float:
        """Look once and tell what there is to tell; answers in how many seconds to look again."""
        await self._read_journal()
        began = self._clock.monotonic()
        now = self._clock.now()
        sight = await self._ledger.lookout.look(now)
        gates = await self._ledger.accounts.stopped(now)
        parked = await self._ledger.accounts.parked(now)
        alerts = await self._ledger.alerts.list(0)
        seen = _seen(sight, gates, parked, self._house, now, slow=self._clock.monotonic() - began > SLOW)
        decision = decide(seen, alerts, self._house.streams, self._rules)
        await self._carry_out(decision, now)
        await self.tell()
        soon = self._every if decision.next_at is None else (decision.next_at - self._clock.now()) / 1000
        return max(0.001, min(self._every, soon))

    async def _carry_out(self, decision: Decision, seen: int) -> None:
        ledger, now = self._ledger, self._clock.now()
        for ending in decision.ended:
            alert = ending.alert
            channels = [] if ending.silent else self._house.told(alert.kind, alert.facts)
            facts = await self._at_the_end(alert.facts, now)
            if await ledger.alerts.end(alert.id, facts, channels, now) and not ending.silent:
                ended = msgspec.structs.replace(alert, facts=facts, ended=now)
                log.warning("%s", line(wording(ended, "ended", self._house.owners)))
        for alert, facts in decision.renewed:
            await ledger.alerts.renew(alert.id, facts)
        for finding in decision.raised:
            await self._raise(await self._counted(finding, now), seen)

    async def _raise(self, finding: Finding, seen: int) -> None:
        channels = self._house.told(finding.kind, finding.facts)
        raised = await self._ledger.alerts.raise_(finding, channels, seen, self._clock.now())
        if raised is not None:
            log.warning("%s", line(wording(raised, "raised", self._house.owners, self._house.config)))

    async def _counts(self, runs: Mapping[str, Late], now: int) -> dict[RunId, Count]:
        return await self._ledger.lookout.count([RunId(late.run) for late in runs.values()], now) if runs else {}

    async def _counted(self, finding: Finding, now: int) -> Finding:
        counts = await self._counts(finding.facts.late, now)
        late = {}
        for name, one in finding.facts.late.items():
            count = counts[RunId(one.run)]
            late[name] = msgspec.structs.replace(one, count=count.waiting, sent=count.sent)
        return (
            msgspec.structs.replace(finding, facts=msgspec.structs.replace(finding.facts, late=late, were=late))
            if late
            else finding
        )

    async def _at_the_end(self, facts: Facts, now: int) -> Facts:
        counts = await self._counts(facts.were, now)
        gone = sum(counts[RunId(one.run)].sent - one.sent for one in facts.were.values())
        if not facts.were:
            return facts
        return msgspec.structs.replace(facts, gone=max(0, gone), count=sum(c.waiting for c in counts.values()))

    # ── Telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def tell(self) -> None:
        """Everything that is to be told through the channels of this process."""
        names = sorted(self._channels)
        while taken := await self._ledger.alerts.take(names, TOGETHER, self._clock.now()) if names else []:
            await asyncio.gather(*(self._tell(telling) for telling in taken))

    async def _tell(self, telling: Telling) -> None:
        text = wording(telling.alert, telling.part, self._house.owners, self._house.config)
        again: int | None = None
        try:
            await self._channels[telling.channel].tell(text, telling.alert, telling.part, self._clock.now())
        except NotTold as error:
            wait = min(LONGEST_RETRY, FIRST_RETRY << min(telling.tries - 1, 10))
            again = self._clock.now() + wait
            log.error(
                "An alert was not told through %s: %s Next try in %d s.", telling.channel, error.what, wait // 1000
            )
        await self._ledger.alerts.told(telling, again, self._clock.now())

    # ── The journal ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _read_journal(self) -> None:
        """What was read is told before the cursor moves: a kill in between tells nothing twice, since keys are used
        once, and loses nothing."""
        while True:
            news = await self._ledger.lookout.news(READ)
            for finding in await self._findings(news.entries):
                await self._raise(finding, self._clock.now())
            if news.to == news.after or not await self._ledger.lookout.advance(news):
                return
            if not news.more:
                return

    async def _findings(self, entries: Sequence[Entry]) -> list[Finding]:
        if not entries:
            return []
        runs = {run.id: run for run in await self._ledger.runs.list()} if any(e.run for e in entries) else {}
        words = _words([entry for entry in entries if entry.run])
        found = [_guard(word, [(e, runs.get(RunId(e.run or 0))) for e in word], self._house) for word in words]
        poison = [entry for entry in entries if entry.kind == "event_quarantined"]
        return found + ([_quarantine(poison)] if poison else [])


def _words(entries: Sequence[Entry]) -> list[list[Entry]]:
    """What the guard said: an entry each, but a stream's pause is one word, entered in one change for each run."""
    words: dict[object, list[Entry]] = {}
    for entry in entries:
        verdict = _verdict(entry)
        whole = verdict.stream if verdict else ""
        words.setdefault((entry.kind, whole, entry.at) if whole else entry.seq, []).append(entry)
    return list(words.values())


def _verdict(entry: Entry) -> Verdict | None:
    told = entry.data.get("verdict")
    return msgspec.convert(told, Verdict) if told else None


def _guard(word: Sequence[Entry], told: Sequence[tuple[Entry, Run | None]], house: House) -> Finding:
    first, verdict = word[0], _verdict(word[0])
    stream = next((run.stream for _, run in told if run), verdict.stream if verdict else "")
    belongs = house.streams.get(stream)
    whole = bool(verdict and verdict.stream)
    facts = Facts(
        owners=(belongs.owner,) if belongs and belongs.owner else (),
        stream=stream,
        whole=whole,
        were={
            run.name if run else str(entry.run): Late(
                stream=stream, run=entry.run or 0, campaign=bool(run and run.campaign)
            )
            for entry, run in told
            if not whole or entry.kind == "guard_paused"
        },
        what=_figures(verdict) if verdict else "",
    )
    level = Level.ALARM if first.kind == "guard_paused" else Level.INFORMATION
    key = f"{first.kind}:{first.seq}"
    return Finding(key=key, kind=Kind.GUARD, since=first.at, facts=facts, level=level, lasting=False)


def _figures(verdict: Verdict) -> str:
    rate = f"{verdict.rate:.3f} %; the limit is {verdict.limit:g} %"
    return f"{verdict.count:,} of {verdict.sent:,} ({rate}): {verdict.kind}"


def _quarantine(entries: Sequence[Entry]) -> Finding:
    """Once an hour at most: a source that sends nothing but poison is one piece of news."""
    first = entries[0]
    what = _without_addresses(str(first.data.get("why", "")))
    facts = Facts(what=what, count=len(entries))
    key = f"quarantine:{first.at // HOUR}"
    return Finding(key=key, kind=Kind.QUARANTINE, since=first.at, facts=facts, lasting=False)


def _seen(
    sight: Sight, gates: Sequence[GateState], parked: Sequence[Parking], house: House, now: int, *, slow: bool
) -> Seen:
    """Canaries are ours: nobody waits for them."""
    runs: tuple[RunSeen, ...] = tuple(run for run in sight.runs if not is_canary(run.stream))
    gave_up: tuple[GaveUp, ...] = tuple(one for one in sight.gave_up if not is_canary(one.stream))
    stopped = tuple(
        Stopped(g.gate, house.account(g.gate), g.reason, g.since, _without_addresses(g.detail), g.until)
        for g in gates
        if house.knows(g.gate)
    )
    return Seen(
        at=now,
        runs=runs,
        gave_up=gave_up,
        stopped=stopped,
        workers=sight.workers,
        last_beat=sight.last_beat,
        held=sight.held,
        slow=slow,
        parked=frozenset(one.account for one in parked if not one.lists),
        parked_lists=frozenset(one.account for one in parked),
    )


def _without_addresses(text: str) -> str:
    """A provider's answer may name the recipient."""
    return _ADDRESS.sub("(address)", text)[:DETAIL]
