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
    """`count` of `sent` are `rate` percent, and `limit` percent was the line. What the journal keeps."""

    level: Level
    kind: Kind
    count: int
    sent: int
    rate: float
    limit: float


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


def sentence(verdict: Verdict) -> str:
    """What the guard found, for people."""
    what = "came back for good" if verdict.kind == "bounces" else "were complained about"
    rate = f"{verdict.rate:.3f}".rstrip("0").rstrip(".")
    limit = f"{verdict.limit:g}"
    return f"{verdict.count:,} of {verdict.sent:,} mails {what} ({rate} %; the limit is {limit} %)."


def remedy(verdict: Verdict) -> str:
    """What a person should do before the run goes on."""
    if verdict.kind == "bounces":
        return "Whose list is it, and how old? Take out what nobody has asked for lately before it goes on."
    return "Did they ask for this mail, and do they find the way out of it? Look before it goes on."
