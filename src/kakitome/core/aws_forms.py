"""What a mail costs on AWS by the form of the installation: ours, and the published one that it is measured against.

Both are counted by the same rules: list prices, arm64, no free tier, log lines that Lambda itself writes included, the
provider's own price left out. "Sending and state" is all until the provider has the mail and the ledger knows it, its
journal and counters included; "events" is all that comes of what the provider tells later.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Final

import msgspec

from kakitome.core.aws_cost import Tally, express, function, tally, times, together, usd
from kakitome.core.aws_prices import Unit

MILLION: Final = 1_000_000

LOGGED: Final = Fraction(500, 10**9)
"""GB that Lambda writes into its log for a call: START, END and REPORT."""

ANSWER_MS: Final = 10
"""Of DynamoDB, for one request from a function."""

PROVIDER_MS: Final = 80
"""Of SES, for one mail."""


class Form(msgspec.Struct, frozen=True):
    """What one mail uses."""

    sending: Tally
    events: Tally


class Units(msgspec.Struct, frozen=True, kw_only=True):
    """Of the ledger, for one mail: capacity units, refused writes among them. `feed` is the journal and the counters,
    which are written once for many mails."""

    sent: float
    feed: float
    told: float
    reads: float
    reads_told: float
    taken_in: float = 0.0

    @property
    def written(self) -> float:
        return self.taken_in + self.sent + self.feed + self.told


MAPPED: Final = Units(sent=3.06, feed=0.35, told=2.45, reads=3.8, reads_told=0.25)
"""A mail of a list from its row to its delivery, two events (Send and Delivery), by a Distributed Map: its row comes
into the ledger with its claim. Measured, and rounded up: `make bench` and a test compare."""

STARTED: Final = msgspec.structs.replace(MAPPED, taken_in=1.05, sent=2.3, reads=8.5)
"""By `campaign start` and workers: rows are written first and claimed then, with one write for all rows of a claim. As
at 14 mails a second, where a claim has that many rows; faster, both are less."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How the stack runs a list (`docs/operate/aws.md`). `rate` is what the provider takes, in mails a second.

    None: it does not slow anybody down. `busy_ms` is what a child works for one mail, its requests in parallel; where
    the rate is lower than what the children could do they wait for their slots, and that is paid, too. `concurrency`
    0: as many children as the rate needs. `events_together` is what a function is handed at once, `changes_together`
    records of the stream.
    """

    rate: float | None = None
    concurrency: int = 0
    rows_per_child: int = 100
    megabytes: int = 512
    busy_ms: int = 12
    events: int = 2
    events_together: int = 10
    changes: int = 4
    changes_together: int = 500


def ours(setting: Setting, units: Units = MAPPED) -> Form:
    """Express children of a Distributed Map, each for a batch of rows; events by SNS → SQS → function."""
    per_child = Fraction(1, setting.rows_per_child)
    child_ms = setting.rows_per_child * _mail_ms(setting)
    map_ = together(
        tally({Unit.TRANSITION: per_child}),  # one for each child that the map starts
        express(per_child, child_ms, 64),
        _called(per_child, child_ms, setting.megabytes),
    )
    batches = Fraction(setting.changes, setting.changes_together)
    feed = _called(batches, 20 * ANSWER_MS, setting.megabytes)
    state = tally({Unit.WRITE: units.taken_in + units.sent + units.feed, Unit.READ: units.reads})
    return Form(together(map_, feed, state), _our_events(setting, units))


def _mail_ms(setting: Setting) -> Fraction:
    """That a child spends on one mail, where all of them share the rate."""
    busy = Fraction(setting.busy_ms)
    if not setting.rate:
        return busy
    slot = 1000 / Fraction(setting.rate)
    return max(busy, slot * (setting.concurrency or ceil(busy / slot)))


def _our_events(setting: Setting, units: Units) -> Tally:
    batch = Fraction(setting.events, setting.events_together)
    way = tally({Unit.SNS: setting.events, Unit.SQS: setting.events + 2 * batch})  # in; out, deleted
    work = _called(batch, 5 * ANSWER_MS + 2 * setting.events_together, setting.megabytes)
    return together(way, work, tally({Unit.WRITE: units.told, Unit.READ: units.reads_told}))


def published() -> Form:
    """One standard child with a wait for each row, one call of a function in it: two reads (bounced? already sent?),
    the sending, a write; events by SNS → function, a write for each. With the least memory there is, and the cheaper
    reads: what is doubtful is counted in its favour."""
    work = _called(1, 3 * ANSWER_MS + PROVIDER_MS, 128)
    transitions = 3  # the child's start, its function, its wait
    state = tally({Unit.TRANSITION: transitions, Unit.READ: 2 * 0.5, Unit.WRITE: 1})
    event = together(tally({Unit.SNS: 1, Unit.WRITE: 1}), _called(1, 2 * ANSWER_MS, 128))
    return Form(together(work, state), times(2, event))


def _called(calls: Fraction | int, ms: Fraction | int, megabytes: int) -> Tally:
    return together(function(calls, ms, megabytes), tally({Unit.LOGGED: calls * LOGGED}))


def per_million(form: Form, region: str) -> Mapping[str, Fraction]:
    """USD. Raises `KeyError` for a region without prices here."""
    return {name: MILLION * usd(getattr(form, name), region) for name in ("sending", "events")}
