"""Alerts as records: what is seen, what is found, what is told. All times in milliseconds."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from kakitome.core.outcome import STOPS, Unavailability


class Kind(StrEnum):
    LATE = "late"
    DEAD = "dead"
    LANE = "lane"
    GUARD = "guard"
    QUARANTINE = "quarantine"


class Level(StrEnum):
    ALARM = "alarm"
    INFORMATION = "information"  # it goes on by itself


class Why(StrEnum):
    """The likely cause of a delay: whose fault it is."""

    PROVIDER = "provider"  # a lane or account of the route is stopped
    QUOTA = "quota"  # … because its quota is used up: it goes on by itself
    NO_WORKER = "no-worker"  # ours: nobody sends
    HELD = "held"  # ours: restored from a backup, and nobody has released it
    LEDGER = "ledger"  # ours: the ledger takes seconds to answer
    UNKNOWN = "unknown"  # workers run, every lane works, and they have not come to it


class RunSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A running run. `since`: its oldest mail that waits (None: none does); `in_hand`: when the oldest of those that
    are being tried now was first tried; `went`: when the last one was accepted or refused for good; `begun`: when a
    person last set it going. `listed`: a list, which waits by design."""

    run: int
    name: str
    stream: str
    campaign: bool = False
    listed: bool = False
    since: int | None = None
    in_hand: int | None = None
    went: int | None = None
    begun: int | None = None

    @property
    def oldest(self) -> int | None:
        return min((at for at in (self.since, self.in_hand) if at is not None), default=None)


class GaveUp(msgspec.Struct, frozen=True, kw_only=True):
    """A run with mail that needs a person."""

    run: int
    name: str
    stream: str
    dead: int = 0
    unresolved: int = 0


class Stopped(msgspec.Struct, frozen=True):
    """A gate that does not work, `lane:NAME` or `account:NAME`, and the account behind it."""

    gate: str
    account: str
    reason: str
    since: int
    detail: str = ""
    until: int | None = None

    @property
    def person(self) -> bool:
        return self.until is None or (self.reason in _REASONS and STOPS[Unavailability(self.reason)].person)


_REASONS = frozenset(reason.value for reason in Unavailability)


class Belongs(msgspec.Struct, frozen=True):
    """Whose a stream is (a name of `[owners]`, "" for nobody's), and its route: (lane, account) in order."""

    owner: str = ""
    route: tuple[tuple[str, str], ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is decided from. `workers`: how many live; `last_beat`: when the last one did."""

    at: int
    runs: tuple[RunSeen, ...] = ()
    gave_up: tuple[GaveUp, ...] = ()
    stopped: tuple[Stopped, ...] = ()
    workers: int = 1
    last_beat: int | None = None
    held: bool = False
    slow: bool = False
    parked: frozenset[str] = frozenset()  # accounts whose quota is used up by our own count
    parked_lists: frozenset[str] = frozenset()  # and those that have only left what single mails are kept


class Late(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that is late: `count` wait, `sent` had gone before."""

    stream: str
    run: int = 0
    campaign: bool = False
    since: int = 0
    count: int = 0
    sent: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an alert says. Stored with it, and no personal data in it."""

    owners: tuple[str, ...] = ()
    why: str = ""
    late: dict[str, Late] = {}  # by run, those that are late now
    were: dict[str, Late] = {}  # and all that were, as they were when it was raised
    causes: tuple[str, ...] = ()  # accounts that were stopped
    stopped: tuple[Stopped, ...] = ()
    stream: str = ""
    whole: bool = False  # it is about the stream as a whole, and `were` only says which of its runs it stopped
    dead: dict[str, int] = {}
    unresolved: dict[str, int] = {}
    last_beat: int | None = None
    what: str = ""
    gone: int = 0  # sent while it lasted
    count: int = 0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell. `key` names the incident: only one alert of a key is open. One that does not last is over as
    soon as it is told, and its key is never told again."""

    key: str
    kind: Kind
    since: int
    facts: Facts
    level: Level = Level.ALARM
    lasting: bool = True


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as the ledger keeps it. `told`: (part, channel, when or None), with part `raised` or `ended`."""

    id: int
    key: str
    kind: Kind
    level: Level
    since: int
    raised: int
    ended: int | None = None
    facts: Facts = Facts()
    told: tuple[tuple[str, str, int | None], ...] = ()
