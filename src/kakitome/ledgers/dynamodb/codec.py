"""What lies in the items: the records of the memory ledger, as compact MessagePack.

A claim rewrites the whole item and is paid by the KB: fields go by their place, a provider's JSON lies elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from kakitome.core.guard import Verdict
from kakitome.core.ids import Fence, MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Run
from kakitome.ledgers.dynamodb.codec_events import StoredEvent, event_book, stored_event
from kakitome.ledgers.dynamodb.own import Own
from kakitome.ledgers.dynamodb.squeeze import loosened, squeezed
from kakitome.ledgers.memory.book import Attempt, EventBook, GuardBook, ImportBook, Message, RunBook

HISTORY = 40
"""Journal entries that a message, or a run, keeps at hand besides its first one; the journal has all of them."""


class StoredEntry(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    at: int
    kind: str
    data: dict[str, Any] = {}
    about: int = 0  # the run; 0: none, or that of the message that it lies with, for an entry of one of many


class StoredAttempt(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    fence: int
    worker: str
    lane: str
    begun: int
    settled: int | None = None
    cause: Cause | None = None
    proved: int | None = None
    provider_id: str | None = None
    outcome: bytes = b"null"


class StoredMessage(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    id: int
    run: int
    address: str
    hash: int
    due: int
    state: int
    expires: int | None = None
    submission: int | None = None
    digest: str | None = None
    line: int | None = None
    variables: bytes = b"{}"
    pace: str = ""
    fence: int = 0
    attempts: int = 0
    worker: str | None = None
    lease: int | None = None
    first_claimed: int | None = None
    doubt_since: int | None = None
    resends: int = 0
    withdrawn_by: str | None = None
    copies_possible: bool = False
    tries: tuple[StoredAttempt, ...] = ()
    events: tuple[StoredEvent, ...] = ()
    history: tuple[StoredEntry, ...] = ()


class StoredImport(msgspec.Struct, frozen=True, array_like=True):
    digest: str
    next_line: int
    sealed: bool
    expected: int | None = None


class StoredRun(msgspec.Struct, frozen=True):
    run: Run
    expires: int | None = None
    before_import: str = ""
    invalid: int = 0
    duplicate: int = 0
    already: int = 0
    bits: int | None = None
    imports: tuple[StoredImport, ...] = ()
    since: int = 0
    sent_before: int = 0
    verdict: Verdict | None = None
    history: tuple[StoredEntry, ...] = ()
    told: dict[str, int] = {}
    paces: tuple[str, ...] = ()
    own: Own | None = None


@dataclass
class Case:
    """A run with its imports, as they lay in the table. `bits` is None until the first row names them; `told` is how
    many lines became no message, of imports that are closed: the book has counted them; `paces` are all that its rows
    ever had; `own` is the table that its rows have for themselves."""

    book: RunBook
    imports: list[ImportBook] = field(default_factory=list)
    bits: int | None = None
    history: list[StoredEntry] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    paces: tuple[str, ...] = ()
    own: Own | None = None


@dataclass
class Shelved:
    """A message as it lay in the table, with what its item has beside the record."""

    message: Message
    events: list[EventBook] = field(default_factory=list)
    raws: dict[str, tuple[str, int]] = field(default_factory=dict)
    history: list[StoredEntry] = field(default_factory=list)


_pack = msgspec.msgpack.Encoder().encode
_messages = msgspec.msgpack.Decoder(StoredMessage).decode
_runs = msgspec.msgpack.Decoder(StoredRun).decode


def pack_message(there: Shelved) -> bytes:
    m = there.message
    stored = StoredMessage(
        id=m.id,
        run=m.run,
        address=m.address,
        hash=m.hash,
        due=m.due,
        state=m.state,
        expires=m.expires,
        submission=m.submission,
        digest=m.source.digest if m.source else None,
        line=m.line,
        variables=m.variables,
        pace=m.pace,
        fence=m.fence,
        attempts=m.attempts,
        worker=m.worker,
        lease=m.lease,
        first_claimed=m.first_claimed,
        doubt_since=m.doubt_since,
        resends=m.resends,
        withdrawn_by=m.withdrawn_by,
        copies_possible=m.copies_possible,
        tries=tuple(_stored_attempt(a) for a in m.tries.values()),
        events=tuple(stored_event(e, there.raws.get(e.event.key)) for e in there.events),
        history=_kept(there.history),
    )
    return squeezed(_pack(stored))


def unpack_message(body: bytes) -> Shelved:
    """The import that a row came from has only its digest here, and counts as sealed."""
    s = _messages(loosened(body))
    run, id = RunId(s.run), MessageId(s.id)
    message = Message(
        id=id,
        run=run,
        address=s.address,
        hash=s.hash,
        due=s.due,
        expires=s.expires,
        submission=None if s.submission is None else SubmissionId(s.submission),
        source=None if s.digest is None else ImportBook(run, s.digest, sealed=True),
        line=s.line,
        variables=s.variables,
        pace=s.pace,
        state=State(s.state),
        fence=Fence(s.fence),
        attempts=s.attempts,
        worker=s.worker,
        lease=s.lease,
        first_claimed=s.first_claimed,
        doubt_since=s.doubt_since,
        resends=s.resends,
        withdrawn_by=s.withdrawn_by,
        copies_possible=s.copies_possible,
        tries={Fence(a.fence): _attempt(a) for a in s.tries},
    )
    events = [event_book(e, id) for e in s.events]
    raws = {e.key: e.raw for e in s.events if e.raw is not None}
    return Shelved(message, events, raws, list(s.history))


def _kept(history: list[StoredEntry]) -> tuple[StoredEntry, ...]:
    return (*history[:1], *history[1:][-HISTORY:])


def _stored_attempt(a: Attempt) -> StoredAttempt:
    return StoredAttempt(a.fence, a.worker, a.lane, a.begun, a.settled, a.cause, a.proved, a.provider_id, a.outcome)


def _attempt(a: StoredAttempt) -> Attempt:
    return Attempt(Fence(a.fence), a.worker, a.lane, a.begun, a.settled, a.cause, a.proved, a.provider_id, a.outcome)


def pack_run(case: Case) -> bytes:
    book = case.book
    stored = StoredRun(
        run=book.run,
        expires=book.expires,
        before_import=book.before_import,
        invalid=book.invalid,
        duplicate=book.duplicate,
        already=book.already,
        bits=case.bits,
        imports=tuple(StoredImport(i.digest, i.next_line, i.sealed, i.expected) for i in case.imports),
        since=book.guard.since,
        sent_before=book.guard.sent_before,
        verdict=book.guard.verdict,
        history=_kept(case.history),
        told=case.told,
        paces=case.paces,
        own=case.own,
    )
    return _pack(stored)


def unpack_run(body: bytes) -> Case:
    s = _runs(body)
    book = RunBook(s.run, s.expires, s.before_import, s.invalid, s.duplicate, s.already)
    book.guard = GuardBook(s.since, s.sent_before, s.verdict)
    imports = [ImportBook(s.run.id, i.digest, i.next_line, i.sealed, i.expected) for i in s.imports]
    return Case(book, imports, s.bits, list(s.history), dict(s.told), s.paces, s.own)
