"""When is a list too bad to go on with?

Counted as Amazon SES counts: permanent bounces (not those of the provider's own suppression list) and complaints
(without `not-spam`) over what was sent. SES reviews an account from 5 % bounces or 0.1 % complaints on, and may pause
it from 10 % and 0.5 %; Gmail asks for less than 0.1 % and never 0.3 %.

Few mails say little. Below `sample` sent mails nothing is judged, and a complaint rate counts from `least` complaints
on. Two among 2,000 would do for one in 1,000, yet a good list (one reader in 5,000 complains) has two or more among
3,000 mails in 12 of 100 cases, three or more in 2.3 (Poisson, mean 0.6); a list with 0.3 % has its three by then with
99.4 %. For bounces it takes 20: the first 400 mails of a list with 3 % have so many in 2 of 100 cases, the first 100
have their five in 18. A list of 200 where every second one bounces has them soon enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

import msgspec

from kakitome.core.delivery import Delivery
from kakitome.core.event import BounceClass, Permanence

Kind = Literal["bounces", "complaints"]


class Level(StrEnum):
    """How far the guard has gone within the present window."""

    QUIET = ""
    WARNED = "warned"
    PAUSED = "paused"


RANK = {Level.QUIET: 0, Level.WARNED: 1, Level.PAUSED: 2}


class Limit(msgspec.Struct, frozen=True):
    """`warn` and `pause` in percent of what was sent; `least` is how many there must be, whatever the percentage."""

    warn: float
    pause: float
    least: int


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """`sample`: how many must have been sent. `most`: how far the guard may go. `window` (ms): how long the figures of
    an endless stream reach back; a campaign's reach back to its start, or to the last resumption after a pause."""

    bounces: Limit = Limit(4.0, 5.0, 20)
    complaints: Limit = Limit(0.08, 0.1, 3)
    sample: int = 100
    most: Level = Level.PAUSED
    window: int = 7 * 86_400_000


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Since `since` (ms; 0: from the start): messages sent or in a worker's hands (a list at full speed hears of its
    bounces up to a second before it is settled as sent), bounced for good, complained about."""

    since: int = 0
    level: Level = Level.QUIET
    sent: int = 0
    bounced: int = 0
    complained: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`count` of `sent` are `rate` percent, and `limit` percent was the line. `stream` names the stream whose mail was
    judged together; "": one run's alone. What the journal keeps."""

    level: Level
    kind: Kind
    count: int
    sent: int
    rate: float
    limit: float
    stream: str = ""


def counts(delivery: Delivery) -> tuple[bool, bool]:
    """Whether the mail counts as bounced, as complained about. What the provider's own list stopped reached nobody."""
    bounce = delivery.bounce
    bounced = (
        bounce is not None and bounce.permanence is Permanence.PERMANENT and bounce.why is not BounceClass.SUPPRESSED
    )
    return bounced, delivery.complained is not None


def judge(figures: Figures, rules: Rules) -> Verdict | None:
    """The gravest thing that these figures say and that was not said yet; None where there is nothing new."""
    if figures.sent < max(rules.sample, 1):
        return None
    found = [
        *_one("bounces", figures.bounced, rules.bounces, figures, rules),
        *_one("complaints", figures.complained, rules.complaints, figures, rules),
    ]
    new = [verdict for verdict in found if RANK[verdict.level] > RANK[figures.level]]
    return max(new, key=lambda verdict: (RANK[verdict.level], verdict.rate / verdict.limit), default=None)


def _one(kind: Kind, count: int, limit: Limit, figures: Figures, rules: Rules) -> list[Verdict]:
    rate = 100 * count / figures.sent
    if count < max(limit.least, 1):
        return []
    return [
        Verdict(level=level, kind=kind, count=count, sent=figures.sent, rate=round(rate, 3), limit=line)
        for level, line in ((Level.WARNED, limit.warn), (Level.PAUSED, limit.pause))
        if 100 * count >= line * figures.sent and RANK[level] <= RANK[rules.most]
    ]


def is_over(figures: Figures, rules: Rules, now: int) -> bool:
    """Whether a stream's window has had its time and enough mail to say something: then the next one begins."""
    return now - figures.since >= rules.window and figures.sent >= rules.sample and figures.level is not Level.PAUSED


def together(runs: Iterable[tuple[int, Figures]], since: int, level: Level) -> Figures | None:
    """The figures of a stream as a whole, of its runs as (when it was made, its figures): the sum of those that began,
    or began anew, at or after `since`. None where fewer than two of them have sent anything: one was judged already."""
    counted = [one for made, one in runs if began(made, one) >= since and one.sent > 0]
    if len(counted) < 2:
        return None
    return Figures(
        since=since,
        level=level,
        sent=sum(one.sent for one in counted),
        bounced=sum(one.bounced for one in counted),
        complained=sum(one.complained for one in counted),
    )


def began(made: int, figures: Figures) -> int:
    """When the mail that these figures count began to go out, at the earliest."""
    return max(made, figures.since)


def next_window(since: int, said: int, level: Level, newest: int, rules: Rules, now: int) -> int | None:
    """Where the window of a stream as a whole begins anew, after the guard said `level` at `said`; None: not yet.

    A word stands for one window: then it may be said again, of what began since. A pause stands no longer than until
    something else of the stream goes out (`newest`: when the newest of its runs began), or nobody would watch that.
    """
    if level is Level.QUIET:
        return None
    if now - said >= rules.window:
        return max(now - rules.window, since + 1)
    return max(said, since) + 1 if level is Level.PAUSED and newest > said else None


def sentence(verdict: Verdict) -> str:
    """What the guard found, for people."""
    what = "came back for good" if verdict.kind == "bounces" else "were complained about"
    rate = f"{verdict.rate:.3f}".rstrip("0").rstrip(".")
    limit = f"{verdict.limit:g}"
    whose = f" of the stream {verdict.stream!r}" if verdict.stream else ""
    return f"{verdict.count:,} of {verdict.sent:,} mails{whose} {what} ({rate} %; the limit is {limit} %)."


def remedy(verdict: Verdict) -> str:
    """What a person should do before the run goes on."""
    if verdict.stream and verdict.kind == "bounces":
        return "Whose lists are they, and how old? Take out what nobody has asked for lately before they go on."
    if verdict.kind == "bounces":
        return "Whose list is it, and how old? Take out what nobody has asked for lately before it goes on."
    return "Did they ask for this mail, and do they find the way out of it? Look before it goes on."
