"""The guard: compares what became of each run's mail with the limits, says so once, and pauses what is too bad."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from kakitome.core.errors import KakitomeError
from kakitome.core.guard import RANK, Level, Rules, Verdict, is_over, judge, sentence
from kakitome.core.message import Run
from kakitome.core.policy import HOUR
from kakitome.ports.clock import Clock
from kakitome.ports.guards import Watched
from kakitome.ports.ledger import Ledger

log = logging.getLogger("kakitome.guard")

LATE = 7 * 24 * HOUR
"""How long after a campaign was made its late bounces are looked at."""

RulesOf = Callable[[str], Rules]
"""By the name of the stream."""


class Noted(msgspec.Struct, frozen=True):
    """What the guard said just now, of which run."""

    run: Run
    verdict: Verdict


async def guard(ledger: Ledger, rules: RulesOf, now: int) -> list[Noted]:
    """One look at all running runs, and at campaigns whose mail went faster than its bounces came: there is nothing to
    pause then, but a person should know. Any number of workers may look: each word is said once, by one of them."""
    noted = []
    for there in await ledger.guards.watched(since=now - LATE):
        mine = rules(there.run.stream)
        if there.run.state == "done":
            mine = msgspec.structs.replace(mine, most=min(mine.most, Level.WARNED, key=RANK.__getitem__))
        verdict = judge(there.figures, mine)
        if verdict is None:
            await _close_window(ledger, there, mine, now)
        elif await ledger.guards.say(there.run.id, there.figures.since, verdict, now):
            noted.append(Noted(there.run, verdict))
    return noted


async def _close_window(ledger: Ledger, there: Watched, rules: Rules, now: int) -> None:
    """A stream has no end: a good year must not hide a bad day."""
    if not there.run.campaign and is_over(there.figures, rules, now):
        await ledger.guards.begin_window(there.run.id, there.figures.since, now)


async def watch(ledger: Ledger, rules: RulesOf, clock: Clock, every: float) -> None:
    """Look every so many seconds, until cancelled. Trouble is logged and met again."""
    while True:
        try:
            for noted in await guard(ledger, rules, clock.now()):
                paused = noted.verdict.level is Level.PAUSED
                log.warning("%s: %s%s", noted.run.name, sentence(noted.verdict), " It is paused." if paused else "")
        except KakitomeError as error:
            log.error("%s", error)
        except Exception:
            log.exception("An error of ours. The guard looks again.")
        await clock.sleep(every)
