"""Figures: what one message adds to them, and what they say.

Figures of many messages are the sum of what each message adds, and what a message adds depends on the set of its events
only. So the order of events is nothing to them, a repetition adds nothing, and a recount finds the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Final, TypeAlias

import msgspec

from kakitome.core.delivery import NOT_SPAM, NOTHING, Delivery, words
from kakitome.core.engagement import Touch, judged
from kakitome.core.event import BounceClass, Event, EventKind, Permanence

QUARTER: Final = 15 * 60 * 1000
"""Milliseconds; the providers' statistics have points of this length."""

Cell: TypeAlias = tuple[str, str, str]
"""Scope, key, name. Scopes: "" for all (no key), `domain`, `link`, `machine` (key: the reason)."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Messages. `heard`: the provider has told anything of them. `bounced` for good, as SES counts it.
    `opened` and `clicked` by a person; by machines only: `machine_opened`, `machine_clicked`."""

    heard: int = 0
    delivered: int = 0
    bounced: int = 0
    complained: int = 0
    rejected: int = 0
    opened: int = 0
    clicked: int = 0
    machine_opened: int = 0
    machine_clicked: int = 0


class LinkFigures(msgspec.Struct, frozen=True):
    """Clicks of persons on a link, in all and by how many messages; and those of machines."""

    link: str
    messages: int = 0
    clicks: int = 0
    machine: int = 0


TOTALS: Final = Totals.__struct_fields__


def adds(domain: str, delivery: Delivery, touches: Sequence[Touch]) -> Counter[Cell]:
    """What a message to `domain` of which this is known adds to the figures of its run."""
    if delivery == NOTHING:
        return Counter()
    reasons = judged(touches, delivery.delivered)
    people = [touch for touch, reason in zip(touches, reasons, strict=True) if not reason]
    names = {"heard", *_became(delivery), *_engaged(touches, people)}
    cells: Counter[Cell] = Counter(("", "", name) for name in names)
    cells.update(("domain", domain, name) for name in names if domain)
    cells.update(("link", link, "messages") for link in {touch.link for touch in people if touch.click})
    for touch, reason in zip(touches, reasons, strict=True):
        if touch.click:
            cells["link", touch.link, "machine" if reason else "clicks"] += 1
        if reason:
            cells["machine", reason, "clicks" if touch.click else "opens"] += 1
    return cells


def _became(delivery: Delivery) -> set[str]:
    said = set(words(delivery)) & {"delivered", "complained", "rejected"}
    bounce = delivery.bounce
    came_back = bounce is not None and _counts(bounce.permanence, bounce.why)
    return said | ({"bounced"} if came_back else set())


def _counts(permanence: Permanence | None, why: BounceClass | None) -> bool:
    """Whether SES counts such a bounce: for good, and not held back by the account's own list."""
    return permanence is Permanence.PERMANENT and why is not BounceClass.SUPPRESSED


def _engaged(touches: Sequence[Touch], people: Sequence[Touch]) -> set[str]:
    """Who clicked has opened; what only machines did is theirs."""
    names = {("" if people else "machine_") + "opened"} if touches else set()
    if any(touch.click for touch in touches):
        names.add(("" if any(touch.click for touch in people) else "machine_") + "clicked")
    return names


def domain_of(address: str | None) -> str:
    """The recipient's domain, "" where the address is not kept any more."""
    return (address or "").rpartition("@")[2].lower()


def told(event: Event) -> tuple[str, ...]:
    """What an event adds to the quarter of an hour in which it happened."""
    if event.kind is EventKind.BOUNCED:
        return ("bounced", "permanent") if _counts(event.permanence, event.bounce_class) else ("bounced",)
    if event.kind is EventKind.COMPLAINED and event.complaint == NOT_SPAM:
        return ()
    return _TOLD.get(event.kind, ())


_TOLD: Final[dict[EventKind, tuple[str, ...]]] = {
    EventKind.DELIVERED: ("delivered",),
    EventKind.COMPLAINED: ("complained",),
    EventKind.REJECTED: ("rejected",),
    EventKind.RENDERING_FAILED: ("rejected",),
}


# ── What they say ───────────────────────────────────────────────────────────────────────────────────────────────────


def percent(part: int, whole: int) -> Decimal | None:
    """With three decimals, half up; None where the whole is nothing, since that is no 0 %."""
    if whole <= 0:
        return None
    return (Decimal(part) * 100 / Decimal(whole)).quantize(Decimal("0.001"), ROUND_HALF_UP)


def percent_text(part: int, whole: int) -> str:
    """`0.018 %`; `–` where the whole is nothing, `< 0.001 %` where rounding would deny what happened."""
    share = percent(part, whole)
    if share is None:
        return "–"
    return "< 0.001 %" if part and not share else f"{share} %"


def failures(rows: Mapping[str, int]) -> tuple[int, int]:
    """Of the messages with an end of ours, or that wait for a person, those that are not known to have gone out."""
    failed = sum(rows[state] for state in ("failed", "dead", "unresolved", "expired"))
    return failed, rows["sent"] + failed


# ── The provider's own points ───────────────────────────────────────────────────────────────────────────────────────


class Point(msgspec.Struct, frozen=True, order=True):
    """A quarter of an hour in the provider's statistics; `at` in milliseconds."""

    at: int
    attempts: int = 0
    bounces: int = 0
    complaints: int = 0
    rejects: int = 0


class Series(msgspec.Struct, frozen=True):
    """Points by time, the newest last. `repeated` times came more than once (equal copies are dropped, others stay and
    are summed); `gaps` are the times around every hole of more than a quarter of an hour."""

    points: tuple[Point, ...]
    repeated: tuple[int, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()


def series(points: Iterable[Point], since: int = 0) -> Series:
    """In order, whatever order they came in, from `since` on."""
    given = [point for point in points if point.at >= since]
    times = Counter(point.at for point in given)
    ordered = tuple(sorted(set(given)))
    known = sorted(times)
    return Series(
        ordered,
        tuple(at for at in known if times[at] > 1),
        tuple((a, b) for a, b in pairwise(known) if b - a > QUARTER),
    )


def summed(points: Iterable[Point]) -> Point:
    """The sums, at the time of nothing."""
    columns = [(p.attempts, p.bounces, p.complaints, p.rejects) for p in points]
    return Point(0, *(sum(column) for column in zip(*columns, strict=True))) if columns else Point(0)
