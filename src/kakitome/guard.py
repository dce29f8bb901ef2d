"""The guard: compares what became of each run's mail, and of each stream's as a whole, with the limits, says so once,
and pauses what is too bad."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from kakitome.core.errors import KakitomeError
from kakitome.core.guard import (
    RANK,
    Level,
    Rules,
    Verdict,
    began,
    is_over,
    judge,
    next_window,
    sentence,
    together,
)
from kakitome.core.message import Run
from kakitome.core.policy import HOUR
from kakitome.ports.clock import Clock
from kakitome.ports.guards import Watched, WatchedStream
from kakitome.ports.ledger import Ledger

log = logging.getLogger("kakitome.guard")

LATE = 7 * 24 * HOUR
"""How long after a campaign was made its late bounces are looked at."""

RulesOf = Callable[[str], Rules]
"""By the name of the stream."""


class Noted(msgspec.Struct, frozen=True):
    """What the guard said just now, and of which runs: one, or those of a stream that was judged as a whole."""

    runs: tuple[Run, ...]
    verdict: Verdict


async def guard(ledger: Ledger, rules: RulesOf, now: int) -> list[Noted]:
    """One look at all running runs, and at campaigns whose mail went faster than its bounces came: there is nothing to
    pause then, but a person should know. After that one look at each stream as a whole, by what still runs: many small
    bad lists are a large one. Any number of workers may look: each word is said once, by one of them."""
    noted = []
    seen = await ledger.guards.watched(since=now - LATE)
    for there in seen:
        mine = rules(there.run.stream)
        verdict = judge(there.figures, mine if there.run.state == "running" else _only_warn(mine))
        if verdict is None:
            await _close_window(ledger, there, mine, now)
        elif await ledger.guards.say(there.run.id, there.figures.since, verdict, now):
            noted.append(Noted((there.run,), verdict))
    by_stream = {there.run.stream: rules(there.run.stream) for there in seen}
    return noted + (await _guard_streams(ledger, by_stream, now) if by_stream else [])


def _only_warn(rules: Rules) -> Rules:
    return msgspec.structs.replace(rules, most=min(rules.most, Level.WARNED, key=RANK.__getitem__))


async def _close_window(ledger: Ledger, there: Watched, rules: Rules, now: int) -> None:
    """A stream has no end: a good year must not hide a bad day."""
    if not there.run.campaign and is_over(there.figures, rules, now):
        await ledger.guards.begin_window(there.run.id, there.figures.since, now)


async def _guard_streams(ledger: Ledger, by_stream: Mapping[str, Rules], now: int) -> list[Noted]:
    """What was paused a moment ago, alone, is dealt with: so this looks anew."""
    noted = []
    seen = await ledger.guards.watched(since=now - max(rules.window for rules in by_stream.values()))
    said = {stream.stream: stream for stream in await ledger.guards.streams()}
    for name, rules in by_stream.items():
        stream = said.get(name, WatchedStream(name))
        runs = [there for there in seen if there.run.stream == name and _counts(there.run, rules, now)]
        newest = max((began(there.run.created, there.figures) for there in runs), default=0)
        begins = next_window(stream.since, stream.said, stream.level, newest, rules, now)
        if begins is not None:
            await ledger.guards.begin_stream_window(name, stream.since, begins)
        elif (one := await _judge_stream(ledger, stream, runs, rules, now)) is not None:
            noted.append(one)
    return noted


def _counts(run: Run, rules: Rules, now: int) -> bool:
    return run.state == "running" or run.created >= now - rules.window


async def _judge_stream(
    ledger: Ledger, stream: WatchedStream, runs: Sequence[Watched], rules: Rules, now: int
) -> Noted | None:
    figures = together([(there.run.created, there.figures) for there in runs], stream.since, stream.level)
    runs_now = any(there.run.state == "running" for there in runs)
    verdict = judge(figures, rules if runs_now else _only_warn(rules)) if figures else None
    if verdict is None:
        return None
    verdict = msgspec.structs.replace(verdict, stream=stream.stream)
    told = await ledger.guards.say_of_stream(stream.stream, stream.since, verdict, now)
    return None if told is None else Noted(tuple(there.run for there in runs if there.run.id in told), verdict)


async def look(ledger: Ledger, rules: RulesOf, clock: Clock) -> None:
    """Look once, and say what there is to say."""
    for noted in await guard(ledger, rules, clock.now()):
        log.warning("%s", _line(noted))


async def watch(ledger: Ledger, rules: RulesOf, clock: Clock, every: float) -> None:
    """Look every so many seconds, until cancelled. Trouble is logged and met again."""
    while True:
        try:
            await look(ledger, rules, clock)
        except KakitomeError as error:
            log.error("%s", error)
        except Exception:
            log.exception("An error of ours. The guard looks again.")
        await clock.sleep(every)


def _line(noted: Noted) -> str:
    paused = noted.verdict.level is Level.PAUSED
    names = ", ".join(run.name for run in noted.runs)
    if not noted.verdict.stream:
        return f"{names}: {sentence(noted.verdict)}{' It is paused.' if paused else ''}"
    stopped = f" Paused: {names}." if paused else ""
    return f"stream {noted.verdict.stream}, all together: {sentence(noted.verdict)}{stopped}"
