"""What the ledger in memory knows, and the one way to move a message by a cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from typing import Any

import msgspec

from kakitome.core.alert import Alert
from kakitome.core.delivery import NOTHING, Delivery, fold
from kakitome.core.engagement import Touch, touch_of
from kakitome.core.errors import NotFound
from kakitome.core.event import Event
from kakitome.core.guard import Verdict
from kakitome.core.ids import Fence, MessageId, RunId, SubmissionId, first_of
from kakitome.core.lifecycle import Cause, Need, State, move
from kakitome.core.message import Entry, Run
from kakitome.core.pacing import Paced
from kakitome.core.suppression import TransientLimit
from kakitome.ports.accounts import GateState, Parking
from kakitome.ports.records import Released, Suppression, TemplateVersion
from kakitome.ports.workers import WorkerRecord

NEVER_CLAIMED = Fence(0)


@dataclass
class Attempt:
    fence: Fence
    worker: str
    lane: str
    begun: int
    settled: int | None = None
    cause: Cause | None = None
    proved: int | None = None
    provider_id: str | None = None
    outcome: bytes = b"null"

    @property
    def accepted(self) -> bool:
        """Whether it is known that the next hop took it: by its reply, or by an event."""
        return self.cause is Cause.PROVIDER_ACCEPTED or self.proved is not None


@dataclass
class ImportBook:
    """`expected`: so many rows come while the campaign runs, in any order; `lines` are those that became no message,
    and why."""

    run: RunId
    digest: str
    next_line: int = 0
    sealed: bool = False
    expected: int | None = None
    lines: dict[int, str] = field(default_factory=dict)

    @property
    def is_expected(self) -> bool:
        return self.expected is not None and not self.sealed


@dataclass
class Message:
    id: MessageId
    run: RunId
    address: str
    hash: int
    due: int
    expires: int | None
    submission: SubmissionId | None = None
    source: ImportBook | None = None
    line: int | None = None
    variables: bytes = b"{}"
    pace: str = ""
    state: State = State.QUEUED
    fence: Fence = NEVER_CLAIMED
    attempts: int = 0
    worker: str | None = None
    lease: int | None = None
    first_claimed: int | None = None
    doubt_since: int | None = None
    resends: int = 0
    withdrawn_by: str | None = None
    copies_possible: bool = False
    tries: dict[Fence, Attempt] = field(default_factory=dict)


@dataclass
class SubmissionBook:
    content: bytes
    reference: str | None
    messages: tuple[MessageId, ...]


@dataclass
class KeyBook:
    body_hash: str
    submission: SubmissionId
    until: int


@dataclass
class GuardBook:
    """The guard's window: when it began, what was sent before it, and what the guard said in it."""

    since: int = 0
    sent_before: int = 0
    verdict: Verdict | None = None


@dataclass
class StreamGuardBook:
    """The guard's window of a stream as a whole, and what the guard said in it, and when."""

    since: int = 0
    said: int = 0
    verdict: Verdict | None = None


@dataclass
class RunBook:
    run: Run
    expires: int | None = None
    before_import: str = ""
    invalid: int = 0
    duplicate: int = 0
    already: int = 0
    guard: GuardBook = field(default_factory=GuardBook)


@dataclass
class EventBook:
    """An event, and the attempt that it belongs to once that is known. `looked`: `touch` is given, and the provider's
    JSON may be kept elsewhere."""

    event: Event
    hash: int | None
    received: int
    message: MessageId | None = None
    fence: Fence | None = None
    touch: Touch | None = None
    looked: InitVar[bool] = False

    def __post_init__(self, looked: bool) -> None:
        if not looked:
            self.touch = touch_of(self.event)


@dataclass
class AccountBook:
    """`asked` is when transactional mail last did; `factor` is what throttles left of the pace at `slowed`."""

    paced: Paced = field(default_factory=Paced)
    asked: int = 0
    factor: float = 1.0
    slowed: int = 0
    reported: int | None = None
    reported_at: int = 0
    granted: dict[int, int] = field(default_factory=dict)


@dataclass
class PaceBook:
    """Of a configured pace, or of a lane that works again `since`. `spent`: see `core.pacing.room`."""

    since: int = 0
    spent: float = 0.0


@dataclass
class TellingBook:
    """A part of an alert for a channel. It is whoever's that took it until `until`."""

    alert: int
    part: str
    channel: str
    until: int
    tries: int = 0
    told: int | None = None


def heard(events: Iterable[EventBook]) -> Delivery:
    """What became of a mail, by its events."""
    folded = NOTHING
    for kept in events:
        folded = fold(folded, kept.event)
    return folded


class Book:
    """Everything, in dictionaries. Whoever changes it does so without awaiting: that makes each method atomic."""

    def __init__(self, hash_key: bytes, transient: TransientLimit | None = None) -> None:
        self.hash_key = hash_key
        self.transient = transient or TransientLimit()
        self.last_id = 0
        self.runs: dict[RunId, RunBook] = {}
        self.stream_guards: dict[str, StreamGuardBook] = {}
        self.messages: dict[MessageId, Message] = {}
        self.submissions: dict[SubmissionId, SubmissionBook] = {}
        self.keys: dict[str, KeyBook] = {}
        self.imports: dict[tuple[RunId, str], ImportBook] = {}
        self.workers: dict[str, WorkerRecord] = {}
        self.accounts: dict[str, AccountBook] = {}
        self.gates: dict[str, GateState] = {}
        self.parking: dict[tuple[str, bool], Parking] = {}
        self.probes: dict[str, int] = {}  # by gate: until when others wait for its probe
        self.paces: dict[str, PaceBook] = {}  # by `pace:NAME` or `lane:NAME`
        self.templates: list[TemplateVersion] = []
        self.suppressions: dict[tuple[int, str], Suppression] = {}
        self.released: dict[tuple[int, str], Released] = {}
        self.events: dict[str, EventBook] = {}
        self.alerts: dict[int, Alert] = {}
        self.tellings: list[TellingBook] = []
        self.told_once: set[str] = set()  # keys of alerts that are not kept any more and must not come again
        self.journal: list[Entry] = []

    def next_ids(self, n: int, now: int) -> int:
        """The first of `n` new ids in a row. They lead with the time and only rise."""
        first = max(self.last_id + 1, first_of(now))
        self.last_id = first + n - 1
        return first

    def enter(
        self, at: int, kind: str, *, run: RunId | None = None, message: MessageId | None = None, **data: Any
    ) -> None:
        """Write a journal entry."""
        self.note(at, kind, data, run, message)

    def note(
        self, at: int, kind: str, data: dict[str, Any], run: RunId | None = None, message: MessageId | None = None
    ) -> None:
        self.journal.append(Entry(seq=len(self.journal) + 1, at=at, kind=kind, run=run, message=message, data=data))

    def run(self, id: RunId) -> RunBook:
        """Raises `NotFound`."""
        if id not in self.runs:
            raise NotFound(f"There is no run {id}.")
        return self.runs[id]

    def named(self, name: str) -> Run | None:
        return next((book.run for book in self.runs.values() if book.run.name == name), None)

    def is_running(self, run: RunId) -> bool:
        return self.runs[run].run.state == "running"

    def set_state(self, run: RunId, state: str) -> Run:
        book = self.runs[run]
        book.run = msgspec.structs.replace(book.run, state=state)
        return book.run

    def of_run(self, run: RunId) -> list[Message]:
        return [m for m in self.messages.values() if m.run == run]

    def about(self, message: MessageId) -> list[EventBook]:
        return [kept for kept in self.events.values() if kept.message == message]

    def known(self, ids: Iterable[MessageId]) -> list[Message]:
        """The messages of these ids, each once, without those that do not exist."""
        return [self.messages[id] for id in dict.fromkeys(ids) if id in self.messages]

    def change(self, message: Message, cause: Cause, now: int, *, claimant: bool = False) -> bool:
        """Move a message as `lifecycle.MOVES` says, or not at all.

        `claimant`: the change comes from the newest claim, and only that may take the rows which need the fence.
        What comes back to queued and was withdrawn meanwhile does not wait for another claim: it is cancelled.
        """
        step = move(message.state, cause)
        if step is None or (step.needs is Need.FENCE) is not claimant:
            return False
        message.state = step.to
        message.attempts += step.costs_attempt
        message.worker = message.lease = message.doubt_since = None
        if message.state is State.QUEUED and message.withdrawn_by is not None:
            self.enter(now, Cause.CANCELLED, run=message.run, message=message.id, who=message.withdrawn_by)
            message.state = State.CANCELLED
        return True

    def prove(self, message: Message, fence: Fence, now: int) -> bool:
        """Proof that the attempt `fence` was accepted. Copies are possible while a newer one may be accepted too."""
        newer = fence < message.fence and message.state in (State.SENDING, State.IN_DOUBT, State.UNRESOLVED)
        message.copies_possible |= newer
        return self.change(message, Cause.PROOF, now)

    @staticmethod
    def count_copies(message: Message) -> None:
        message.copies_possible |= sum(attempt.accepted for attempt in message.tries.values()) > 1
