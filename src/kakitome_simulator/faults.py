"""Faults that can be armed, combined and timed.

    NAME[:ARGUMENT][@share=0.1][@count=5][@after=N][@from=S-to=S][@via=smtp|http|sendgrid][@recipient=GLOB]

| name | the mail is | the client sees |
|---|---|---|
| `throttle` | refused | 454 or 429, maximum sending rate exceeded |
| `daily_quota` | refused | 454 or 429, daily message quota exceeded |
| `suspend`, `sandbox` | refused | account suspended; recipient not verified |
| `error:CODE` | refused | SMTP reply or HTTP status CODE, or the SES error of that name (`error:MessageRejected`) |
| `reset` | refused | a TCP reset |
| `error_after_accept[:CODE]` | accepted | HTTP status CODE (500); on SMTP the end of the connection, no reply |
| `lose_reply` | accepted | the end of the connection, no reply |
| `slow:SECONDS` | – | the reply, whatever it is, that much later; what it says was decided and recorded before |
| `lose_events`, `duplicate_events[:COPIES]` | – | an event never; COPIES (1) more of it, with the same SNS MessageId |
| `delay_events:SECONDS`, `reorder_events` | – | an event later; by up to a second, so that others overtake it |

SendGrid says it in its own words: 429 for `throttle`, 401 for `daily_quota`, 403 for `suspend` and `sandbox` (a From
that is no verified Sender Identity); a copy of an event has the same sg_event_id.

Conditions narrow a fault: to a share of the mails (events) that it could meet, to the first `count` that it hits, to
those after the first `after`, to seconds since it was armed, to one way in, to mails with a recipient that matches.
Of a SendBulkEmail request, `reset`, `error:NUMBER` and what happens to replies hit the request once, the others each
entry by itself; an entry's status can be asked for by its name (`error:TRANSIENT_FAILURE`).
`share` is drawn from the seed and the fault's own text, so a seed repeats the choice. Of several faults that could
refuse the same mail the one armed first does; the others do not count it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from random import Random
from typing import TypeVar

import msgspec

from . import refusal
from .clock import SECOND
from .options import OptionError

REFUSALS = frozenset({"throttle", "daily_quota", "suspend", "sandbox", "error", "reset"})
LOST_REPLIES = frozenset({"error_after_accept", "lose_reply"})
DELAYS = frozenset({"slow"})
LOST_EVENTS = frozenset({"lose_events"})
CHANGED_EVENTS = frozenset({"duplicate_events", "delay_events", "reorder_events"})

# Each name with its argument when none is given: `None` means that one must be, "" that there is none.
_ARGUMENTS: dict[str, str | None] = {
    "throttle": "",
    "daily_quota": "",
    "suspend": "",
    "sandbox": "",
    "error": None,
    "reset": "",
    "error_after_accept": "500",
    "lose_reply": "",
    "slow": None,
    "lose_events": "",
    "duplicate_events": "1",
    "delay_events": None,
    "reorder_events": "",
}
_SECONDS = frozenset({"slow", "delay_events"})


class Occasion(msgspec.Struct, frozen=True):
    """Something that a fault may hit: a mail being handed in, or an event about one recipient of it."""

    ticks: int
    via: str  # smtp | http (SES's API) | sendgrid
    recipients: tuple[str, ...]


class Fault(msgspec.Struct, kw_only=True):
    """One armed fault; `seen` and `fired` count the occasions it could have hit, and did."""

    spec: str
    name: str
    argument: str
    armed_at: int  # ticks
    chance: Random
    share: float = 1.0
    count: int | None = None
    after: int = 0
    begin: float = 0.0  # seconds since it was armed
    end: float | None = None
    via: str | None = None
    recipient: str | None = None
    seen: int = 0
    fired: int = 0

    def fires(self, occasion: Occasion) -> bool:
        if not self._concerns(occasion):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.count is not None and self.fired >= self.count):
            return False
        if self.share < 1.0 and self.chance.random() >= self.share:
            return False
        self.fired += 1
        return True

    def _concerns(self, occasion: Occasion) -> bool:
        age = (occasion.ticks - self.armed_at) / SECOND
        return (
            age >= self.begin
            and (self.end is None or age < self.end)
            and self.via in {None, occasion.via}
            and (self.recipient is None or any(fnmatchcase(r, self.recipient) for r in occasion.recipients))
        )


class Faults:
    """The armed faults, in the order in which they were armed."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._armed: list[Fault] = []

    def arm(self, specs: Iterable[str], ticks: int, *, keep: bool = True) -> None:
        """All of them or none: raises `OptionError` for a spec that cannot be read. `keep` those armed before."""
        kept = self._armed if keep else []
        places = enumerate(specs, len(kept))
        self._armed = kept + [parse(spec, self._random(place, spec), ticks) for place, spec in places]

    def clear(self) -> None:
        self._armed = []

    def first(
        self, names: frozenset[str], occasion: Occasion, among: Callable[[Fault], bool] = lambda _: True
    ) -> Fault | None:
        """The first fault of these names that fires; what is not `among` is not asked."""
        asked = (fault for fault in self._armed if fault.name in names and among(fault))
        return next((fault for fault in asked if fault.fires(occasion)), None)

    def all(self, names: frozenset[str], occasion: Occasion) -> list[Fault]:
        """Every fault of these names that fires; one occasion may be hit by several."""
        return [fault for fault in self._armed if fault.name in names and fault.fires(occasion)]

    def report(self) -> list[dict[str, object]]:
        return [{"spec": fault.spec, "seen": fault.seen, "fired": fault.fired} for fault in self._armed]

    def _random(self, place: int, spec: str) -> Random:
        return Random() if self._seed is None else Random(f"{self._seed}/{place}/{spec}")


def parse(spec: str, chance: Random, ticks: int) -> Fault:
    """Read a spec of the grammar above. Raises `OptionError`."""
    what, *conditions = spec.split("@")
    name, _, argument = what.partition(":")
    if name not in _ARGUMENTS:
        raise OptionError(f"unknown fault {name!r}; there are {', '.join(_ARGUMENTS)}")
    fault = Fault(spec=spec, name=name, argument=_argument(name, argument), armed_at=ticks, chance=chance)
    for condition in _rejoined(conditions):
        _narrow(fault, condition)
    return fault


def _argument(name: str, given: str) -> str:
    default = _ARGUMENTS[name]
    argument = given or default
    if argument is None or (given and default == ""):
        raise OptionError(f"fault {name} {'needs an argument' if not given else 'takes no argument'}")
    try:
        if name in _SECONDS:
            _not_negative(float(argument))
        elif name == "duplicate_events":
            _not_negative(int(argument))
        elif name == "error":
            refusal.of(argument)
        elif name == "error_after_accept" and not 400 <= int(argument) <= 599:
            raise ValueError(f"{argument} is no HTTP status of an error")
    except ValueError as error:
        raise OptionError(f"fault {name}: {error}") from error
    return argument


def _rejoined(conditions: list[str]) -> list[str]:
    """A recipient's own `@` is no separator: what has no known key belongs to the condition before it."""
    whole: list[str] = []
    for condition in conditions:
        if whole and whole[-1].startswith("recipient=") and condition.partition("=")[0] not in _CONDITIONS:
            whole[-1] += "@" + condition
        else:
            whole.append(condition)
    return whole


_CONDITIONS = frozenset({"share", "count", "after", "from", "via", "recipient"})

_Number = TypeVar("_Number", int, float)


def _narrow(fault: Fault, condition: str) -> None:
    key, _, value = condition.partition("=")
    try:
        match key:
            case "share":
                fault.share = float(value)
                if not 0 <= fault.share <= 1:
                    raise ValueError("a share is between 0 and 1")
            case "count":
                fault.count = _not_negative(int(value))
            case "after":
                fault.after = _not_negative(int(value))
            case "from":
                begin, to, end = value.partition("-to=")
                fault.begin = _not_negative(float(begin))
                fault.end = float(end) if to else None
            case "via" if value in {"smtp", "http", "sendgrid"}:
                fault.via = value
            case "recipient" if value:
                fault.recipient = value
            case _:
                raise ValueError(f"{condition!r} is no condition")
    except ValueError as error:
        raise OptionError(f"fault {fault.spec}: {error}") from error


def _not_negative(number: _Number) -> _Number:
    if not number >= 0:
        raise ValueError("must not be negative")
    return number
