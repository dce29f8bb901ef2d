"""The SQLite ledger: the ports, each method one piece of work for the writing or the reading thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kakitome.core.errors import KakitomeError
from kakitome.core.event import Event
from kakitome.core.evidence import LaneRecord
from kakitome.core.ids import Fence, MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Admitted, AttemptView, Claimed, Entry, MessageView, Run, Settlement, Submission
from kakitome.core.policy import Horizons, Policy
from kakitome.core.suppression import TransientLimit
from kakitome.ledgers.sqlite import (
    admission,
    book,
    claims,
    events,
    highwater,
    reads,
    records,
    resolution,
    runs,
    suppressing,
    verify,
    workers,
)
from kakitome.ledgers.sqlite.alerts import SqliteAlerts
from kakitome.ledgers.sqlite.connection import Db, one
from kakitome.ledgers.sqlite.figures import SqliteFigures
from kakitome.ledgers.sqlite.guards import SqliteGuards
from kakitome.ledgers.sqlite.in_one_file import InOneFile
from kakitome.ledgers.sqlite.limits import SqliteAccounts
from kakitome.ledgers.sqlite.lookout import SqliteLookout
from kakitome.ledgers.sqlite.rows import SqliteRows
from kakitome.ledgers.sqlite.threads import Thread
from kakitome.ledgers.sqlite.turnstile import Turnstile
from kakitome.ports.messages import Doubt, Settled
from kakitome.ports.reads import Discrepancy, Search
from kakitome.ports.records import Folded, NamedEvent, Released, Suppression, TemplateVersion
from kakitome.ports.runs import Import, ImportBatch
from kakitome.ports.workers import Mark, Reaped, WorkerRecord


class _Part:
    def __init__(self, writer: Thread, reader: Thread) -> None:
        self._write = writer.run
        self._read = reader.run


class _Messages(_Part):
    async def admit(self, submissions: Sequence[Submission], now: int) -> list[Admitted | KakitomeError]:
        return await self._write(lambda db: admission.admit(db, submissions, now))

    async def due(self, run: RunId, n: int, now: int, pace: str = "") -> list[MessageId]:
        return await self._read(lambda db: claims.due(db, run, n, now, pace))

    async def claim(self, ids: Sequence[MessageId], worker: str, lane: str, lease: int, now: int) -> list[Claimed]:
        return await self._write(lambda db: claims.claim(db, ids, worker, lane, lease, now))

    async def check(self, claimed: Sequence[tuple[MessageId, Fence]], now: int) -> dict[MessageId, Cause]:
        return await self._read(lambda db: claims.check(db, claimed, now))

    async def settle(self, settlements: Sequence[Settlement], now: int) -> Settled:
        return await self._write(lambda db: claims.settle(db, settlements, now))

    async def contents(self, submissions: Sequence[SubmissionId]) -> dict[SubmissionId, bytes]:
        return await self._read(lambda db: claims.contents(db, submissions))

    async def cancel(self, ids: Sequence[MessageId], who: str, now: int) -> list[MessageId]:
        return await self._write(lambda db: resolution.cancel(db, ids, who, now))

    async def resolve(self, ids: Sequence[MessageId], cause: Cause, who: str, note: str, now: int) -> list[MessageId]:
        return await self._write(lambda db: resolution.resolve(db, ids, cause, who, note, now))


class _Sweeps(_Part):
    async def expire(self, n: int, now: int) -> int:
        return await self._write(lambda db: resolution.expire(db, n, now))

    async def lease_over(self, n: int, now: int) -> int:
        return await self._write(lambda db: resolution.lease_over(db, n, now))

    async def doubts(self, n: int, now: int) -> list[Doubt]:
        return await self._read(lambda db: resolution.doubts(db, n, now))

    async def record(self, lane: str, begun: int, horizons: Horizons, now: int) -> LaneRecord:
        return await self._read(lambda db: resolution.record(db, lane, begun, horizons, now))

    async def look_again(self, ids: Sequence[MessageId], at: int) -> None:
        await self._write(lambda db: resolution.look_again(db, ids, at))


class _Runs(_Part):
    async def stream(self, name: str, policy: Policy, now: int) -> Run:
        return await self._write(lambda db: runs.stream(db, name, policy, now))

    async def open(
        self, name: str, stream: str, policy: Policy, template: int | None, pinned: bytes, expires: int | None, now: int
    ) -> Run:
        return await self._write(
            lambda db: runs.open_campaign(db, name, stream, policy, template, pinned, expires, now)
        )

    async def begin_import(self, run: RunId, digest: str, now: int, rows: int = 0) -> Import:
        return await self._write(lambda db: runs.begin_import(db, run, digest, now))

    async def append(self, run: RunId, digest: str, batch: ImportBatch, due: int, now: int) -> Import:
        return await self._write(lambda db: runs.append(db, run, digest, batch, due, now))

    async def seal(self, run: RunId, digest: str, now: int) -> Run:
        return await self._write(lambda db: runs.seal(db, run, digest, now))

    async def move(self, run: RunId, to: str, who: str, now: int) -> Run:
        return await self._write(lambda db: runs.move(db, run, to, who, now))

    async def find(self, name: str) -> Run | None:
        return await self._read(lambda db: runs.find(db, name))

    async def list(self, live: bool = False) -> Sequence[Run]:
        return await self._read(lambda db: runs.all_runs(db, live))


class _Runnable(_Part):
    async def runnable(self, now: int) -> Sequence[Run]:
        return await self._read(lambda db: workers.runnable(db, now))

    async def paces(self, run: RunId, now: int) -> Sequence[str]:
        return await self._read(lambda db: workers.paces(db, run, now))

    async def next_due(self, now: int) -> int | None:
        return await self._read(lambda db: workers.next_due(db, now))

    async def present(self, run: RunId, hashes: Sequence[int]) -> set[int]:
        return await self._read(lambda db: runs.present(db, run, hashes))


class _Workers(_Part):
    async def begin(self, worker: WorkerRecord) -> None:
        await self._write(lambda db: workers.begin(db, worker))

    async def beat(self, worker: str, now: int) -> None:
        await self._write(lambda db: workers.beat(db, worker, now))

    async def all(self) -> Sequence[WorkerRecord]:
        return await self._read(workers.all_workers)

    async def reap(self, worker: str, marks: Sequence[Mark] | None, now: int) -> Reaped:
        return await self._write(lambda db: resolution.reap(db, worker, marks, now))

    async def end(self, worker: str, now: int) -> None:
        await self._write(lambda db: workers.end(db, worker, now))


class _Templates(_Part):
    async def put(self, name: str, digest: str, source: bytes, now: int) -> TemplateVersion:
        return await self._write(lambda db: records.put_template(db, name, digest, source, now))

    async def get(self, name: str) -> TemplateVersion | None:
        return await self._read(lambda db: records.get_template(db, name))

    async def pinned(self, id: int) -> TemplateVersion:
        return await self._read(lambda db: records.pinned_template(db, id))

    async def list(self) -> Sequence[TemplateVersion]:
        return await self._read(records.all_templates)


class _Suppressions(_Part):
    async def add(self, suppressions: Sequence[Suppression], now: int) -> int:
        return await self._write(lambda db: records.suppress(db, suppressions, now))

    async def remove(self, hash: int, scope: str, who: str, note: str, now: int) -> bool:
        return await self._write(lambda db: records.unsuppress(db, hash, scope, who, note, now))

    async def find(self, hashes: Sequence[int]) -> list[Suppression]:
        return await self._read(lambda db: records.find_suppressions(db, hashes))

    async def released(self, after: str, n: int) -> list[Released]:
        return await self._read(lambda db: records.list_released(db, after, n))

    async def released_of(self, hashes: Sequence[int]) -> list[Released]:
        return await self._read(lambda db: records.find_released(db, hashes))

    async def list(self, after: str, n: int) -> list[Suppression]:
        return await self._read(lambda db: records.list_suppressions(db, after, n))


class _Events(_Part):
    def __init__(self, writer: Thread, reader: Thread, transient: TransientLimit) -> None:
        super().__init__(writer, reader)
        self._transient = transient

    async def fold(self, named: Sequence[NamedEvent], now: int) -> Folded:
        return await self._write(lambda db: self._fold(db, named, now))

    def _fold(self, db: Db, named: Sequence[NamedEvent], now: int) -> Folded:
        suppressing.limit_transient(db, self._transient)
        return events.fold_events(db, named, now)

    async def of(self, message: MessageId) -> list[Event]:
        return await self._read(lambda db: events.events_of(db, message))


class _Journal(_Part):
    async def read(self, after: int, n: int) -> list[Entry]:
        return await self._read(lambda db: records.read_journal(db, after, n))

    async def of(self, message: MessageId) -> list[Entry]:
        return await self._read(lambda db: records.journal_of(db, message))

    async def paused(self, run: RunId) -> Entry | None:
        return await self._read(lambda db: records.paused(db, run))

    async def note(self, kind: str, data: dict[str, object], now: int) -> None:
        await self._write(lambda db: book.note(db, now, kind, data))


class _Reads(_Part):
    async def messages(self, ids: Sequence[MessageId]) -> list[MessageView]:
        return await self._read(lambda db: reads.messages(db, ids))

    async def submission(self, id: SubmissionId) -> list[MessageView]:
        return await self._read(lambda db: reads.submission(db, id))

    async def search(self, search: Search) -> list[MessageView]:
        return await self._read(lambda db: reads.search(db, search))

    async def attempts(self, ids: Sequence[MessageId]) -> list[AttemptView]:
        return await self._read(lambda db: reads.attempts(db, ids))

    async def rows(self, run: RunId) -> dict[str, int]:
        return await self._read(lambda db: reads.rows(db, run))

    async def delivery(self, run: RunId) -> dict[str, int]:
        return await self._read(lambda db: reads.delivery(db, run))

    async def verify(self) -> list[Discrepancy]:
        return await self._read(verify.verify)

    async def hash_key(self) -> bytes:
        return await self._read(lambda db: bytes(one(db, "select value from meta where key = 'hash_key'")))


class SqliteLedger(InOneFile):
    """A ledger in one file. Open it with `SqliteLedger.open`; several processes may have the same file open.
    `transient` is how many transient bounces suppress."""

    def __init__(self, path: Path, transient: TransientLimit | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._closed = False
        self._turnstile = Turnstile(path)
        self._writer = Thread(path, turnstile=self._turnstile)
        self._reader = Thread(path, turnstile=None)
        both = (self._writer, self._reader)
        self.messages = _Messages(*both)
        self.sweeps = _Sweeps(*both)
        self.runs = _Runs(*both)
        self.rows = SqliteRows(*both)
        self.runnable = _Runnable(*both)
        self.workers = _Workers(*both)
        self.accounts = SqliteAccounts(*both)
        self.templates = _Templates(*both)
        self.suppressions = _Suppressions(*both)
        self.events = _Events(*both, transient or TransientLimit())
        self.journal = _Journal(*both)
        self.guards = SqliteGuards(*both)
        self.figures = SqliteFigures(*both)
        self.reads = _Reads(*both)
        self.alerts = SqliteAlerts(*both)
        self.lookout = SqliteLookout(*both)

    async def held(self) -> str | None:
        """Why this ledger claims nothing: it was restored from a backup. None: it is not held."""
        return await self._reader.run(highwater.held)

    async def release(self, who: str, note: str, now: int) -> bool:
        """A person's word that a restored ledger may send again."""
        return await self._writer.run(lambda db: highwater.release(db, who, note, now))

    @property
    def commits(self) -> int:
        """Commits of this process so far."""
        return self._writer.commits

    async def close(self) -> None:
        """Finish what was handed in, then close the file. Calls that come later raise `LedgerUnavailable`."""
        if not self._closed:
            self._closed = True
            self._writer.close()
            self._reader.close()
            self._turnstile.close()
