"""The memory ledger and the SQLite ledger are told the same and must say the same.

The memory ledger is the specification: no counters, no indexes, no batches. Whatever Hypothesis finds to do to both,
every answer and everything that can be read afterwards has to agree.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kakitome.core.errors import KakitomeError
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.ids import Fence, MessageId, RunId, message_text
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Admitted, Entry, MessageView, NewMessage, Run, Settlement, Submission
from kakitome.core.policy import Horizons, Kind, Policy
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.accounts import Limits, Pace, Wanted
from kakitome.ports.ledger import Ledger
from kakitome.ports.messages import DECISIONS, OUTCOMES
from kakitome.ports.reads import Search
from kakitome.ports.records import NamedEvent, Suppression
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportBatch, ImportRow
from kakitome.ports.workers import Mark, MarkKind, WorkerRecord
from kakitome.testing.ledger_world import DAY, HOUR, MINUTE, START, hashed

ADDRESSES = tuple(f"{name}@example.jp" for name in "abcdef")
PACES = dict(zip(ADDRESSES, ("", "docomo", "au", "", "docomo", ""), strict=True))
STREAMS, CAMPAIGNS, DIGESTS = ("booking", "news"), ("letter", "other"), ("list-1", "list-2", "list-3")
ROWS = {"list-1": "abacdf", "rows-1": "bbdaec", "rows-2": "fedcba"}  # line by line; two more have no good address
WORKERS, LANES = ("w1", "w2"), ("ses", "smtp")
HORIZONS = Horizons(quiet=5 * MINUTE, neighbourhood=2 * MINUTE)

addresses = st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=4)
numbers = st.lists(st.integers(0, 30), min_size=1, max_size=6)
waits = st.sampled_from((None, 0, MINUTE, HOUR))


def expanded(entries: list[Entry]) -> Counter[tuple[int, str, RunId | None, MessageId | None]]:
    """What the entries say, however they were put together: a batch may share an entry, or not."""
    told: Counter[tuple[int, str, RunId | None, MessageId | None]] = Counter()
    for e in entries:
        ids = e.data.get("ids") or list(range(e.data.get("first", 0), e.data.get("last", -1) + 1))
        for id in ids or [e.message]:
            told[e.at, e.kind, e.run, id] += 1
    return told


async def _stream(ledger: Ledger, name: str, policy: Policy) -> Run:
    return await ledger.runs.stream(name, policy, START)


async def _due(ledger: Ledger, run: RunId, now: int, pace: str) -> list[MessageId]:
    return await ledger.messages.due(run, 2, now, pace)


async def _found(ledger: Ledger, search: Search) -> list[MessageView]:
    return await ledger.reads.search(search)


async def _next_due(ledger: Ledger, now: int) -> int | None:
    """What is due already is due now."""
    due = await ledger.runnable.next_due(now)
    return None if due is None else max(due, now)


async def _paces(ledger: Ledger, run: RunId, now: int) -> list[str]:
    return list(await ledger.runnable.paces(run, now))


async def _account(ledger: Ledger, run: RunId) -> tuple[dict[str, int], dict[str, int]]:
    return await ledger.reads.rows(run), await ledger.reads.delivery(run)


class Both(RuleBasedStateMachine):
    """`test_dynamodb_differential` has the same for a ledger whose ids are its own."""

    few = 3

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.ledgers = self.opened()
        self.now = START
        self.messages: list[MessageId] = []
        self.claims: list[tuple[MessageId, Fence]] = []
        self.runs: list[RunId] = []
        self.expected: list[tuple[int, str]] = []
        self.read_to = 0

    def opened(self) -> tuple[Ledger, Ledger]:
        return MemoryLedger(), SqliteLedger(Path(self.folder.name) / "ledger.db")

    def teardown(self) -> None:
        for ledger in self.ledgers:
            self.runner.run(ledger.close())
        self.runner.close()
        self.folder.cleanup()

    # ── Asking both ─────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, call: Callable[[Ledger], Awaitable[Any]]) -> Any:
        """The answer of both, which must be equal; an error is an answer, and its kind is what counts."""

        async def answer(ledger: Ledger) -> Any:
            try:
                return await call(ledger)
            except (KakitomeError, ValueError) as error:
                return type(error)

        specified, given = (self.runner.run(answer(ledger)) for ledger in self.ledgers)
        assert given == specified
        return specified

    def due(self, run: RunId, pace: str) -> list[MessageId]:
        found: list[MessageId] = self.ask(partial(_due, run=run, now=self.now, pace=pace))
        return found

    def key(self, name: str | None) -> str | None:
        return name

    def some(self, numbers: list[int]) -> list[MessageId]:
        return [self.messages[n % len(self.messages)] for n in numbers] if self.messages else []

    @initialize()
    def begin(self) -> None:
        for name in STREAMS:
            policy = Policy(kind=Kind.TRANSACTIONAL if name == "booking" else Kind.BULK)
            self.runs.append(self.ask(partial(_stream, name=name, policy=policy)).id)
        for name in CAMPAIGNS:
            self.open(name, None)

    @rule(jump=st.sampled_from((1, 1000, MINUTE, 10 * MINUTE, HOUR, -HOUR)))
    def time(self, jump: int) -> None:
        self.now += jump

    # ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(name=st.sampled_from(CAMPAIGNS), expires=waits)
    def open(self, name: str, expires: int | None) -> None:
        until = None if expires is None else self.now + expires
        run = self.ask(lambda b: b.runs.open(name, "news", Policy(kind=Kind.BULK), None, b'{"n":1}', until, self.now))
        if run.id not in self.runs:
            self.runs.append(run.id)

    @rule(name=st.sampled_from(STREAMS), attempts=st.integers(1, 2))
    def policy(self, name: str, attempts: int) -> None:
        self.ask(lambda b: b.runs.stream(name, Policy(attempts=attempts), self.now))

    @rule(
        run=st.integers(0, 3), digest=st.sampled_from(DIGESTS), all=st.booleans(), lists=st.lists(addresses, max_size=2)
    )
    def take_in(self, run: int, digest: str, all: bool, lists: list[list[str]]) -> None:
        if run < len(STREAMS):
            return
        id = self.runs[run]
        known = self.ask(lambda b: b.runs.begin_import(id, digest, self.now))
        line = 0 if isinstance(known, type) else known.next_line
        for batch in lists:
            line = self.append(id, digest, line, batch)
            self.append(id, digest, 0, batch)
        if all:
            self.ask(lambda b: b.runs.seal(id, digest, self.now))

    def append(self, run: RunId, digest: str, line: int, to: list[str]) -> int:
        rows = tuple(ImportRow(line + k, a, hashed(a), f'{{"n":{k}}}', PACES[a]) for k, a in enumerate(to))
        batch = ImportBatch(first_line=line, next_line=line + len(rows) + 1, rows=rows, invalid=1)
        answer = self.ask(lambda b: b.runs.append(run, digest, batch, self.now, self.now))
        self.learn(run)
        return line if isinstance(answer, type) else int(answer.next_line)

    # ── Rows that come while the campaign runs ──────────────────────────────────────────────────────────────────────

    @rule(run=st.integers(2, 3), digest=st.sampled_from(sorted(ROWS)), rows=st.sampled_from((8, 9)))
    def expect(self, run: int, digest: str, rows: int) -> None:
        answer = self.ask(lambda b: b.rows.expect(self.runs[run], digest, rows, self.now))
        if isinstance(answer, Run):
            self.expected.append((run, digest))

    @precondition(lambda self: self.expected)
    @rule(
        lines=st.lists(st.integers(0, 5), min_size=1, max_size=8),
        worker=st.sampled_from((None, *WORKERS)),
        due=st.sampled_from((0, 0, MINUTE)),
        ago=st.sampled_from((1, 1, 2)),
    )
    def take(self, lines: list[int], worker: str | None, due: int, ago: int) -> None:
        run, digest = self.expected[-min(ago, len(self.expected))]
        to = {line: f"{ROWS[digest][line]}@example.jp" for line in lines}
        rows = [ImportRow(k, to[k], hashed(to[k]), f'{{"n":{k}}}', PACES[to[k]]) for k in lines]
        claim = None if worker is None else Claiming(worker, LANES[0], self.now + 5 * MINUTE)
        taken = self.ask(lambda b: b.rows.take(self.runs[run], digest, rows, claim, self.now + due, self.now))
        if not isinstance(taken, type):
            self.claims += [(c.id, c.fence) for c in taken.claims]
        self.learn(self.runs[run])

    @precondition(lambda self: self.expected)
    @rule(whole=st.booleans(), worker=st.sampled_from((None, *WORKERS)))
    def close(self, whole: bool, worker: str | None) -> None:
        run, digest = self.expected[-1]
        self.ask(lambda b: b.rows.bad(self.runs[run], digest, [6, 7, 6] if whole else [7], self.now))
        if whole:
            self.take([*range(6)], worker, 0, 1)
        self.ask(lambda b: b.rows.close(self.runs[run], digest, self.now))

    def learn(self, run: RunId) -> None:
        found = self.ask(lambda b: b.reads.search(Search(run=run, n=1000)))
        self.messages += [view.id for view in found if view.id not in self.messages]

    @rule(run=st.integers(0, 3), to=st.sampled_from(("running", "running", "paused", "done", "cancelled", "sideways")))
    def move(self, run: int, to: str) -> None:
        self.ask(lambda b: b.runs.move(self.runs[run], to, "aya", self.now))

    # ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(run=st.integers(0, 3), to=addresses, key=st.sampled_from((None, None, "k1", "k2")), due=waits, expires=waits)
    def admit(self, run: int, to: list[str], key: str | None, due: int | None, expires: int | None) -> None:
        new = Submission(
            run=RunId(7) if run == 3 else self.runs[run % len(STREAMS)],
            messages=tuple(NewMessage(a, hashed(a), PACES[a]) for a in to),
            content=b"{}",
            key=self.key(key),
            body_hash=to[0],
            key_until=self.now + HOUR,
            due=self.now + (due or 0),
            expires=None if expires is None else self.now + expires,
            reference=to[0],
        )

        async def admit(b: Ledger) -> list[Any]:
            answers = await b.messages.admit([new, new], self.now)
            return [answer if isinstance(answer, Admitted) else type(answer) for answer in answers]

        for answer in self.ask(admit):
            if isinstance(answer, Admitted):
                self.messages += [id for id in answer.messages if id not in self.messages]

    @rule(numbers=numbers, worker=st.sampled_from(WORKERS), lane=st.sampled_from(LANES), due=st.booleans())
    def claim(self, numbers: list[int], worker: str, lane: str, due: bool) -> None:
        ids = self.some(numbers)
        if due:
            run = self.runs[numbers[0] % len(self.runs)]
            for pace in self.ask(lambda b: b.runnable.paces(run, self.now)):
                ids += self.due(run, pace)
        claimed = self.ask(lambda b: b.messages.claim(ids, worker, lane, self.now + 5 * MINUTE, self.now))
        self.claims += [(c.id, c.fence) for c in claimed]

    @precondition(lambda self: self.claims)
    @rule(numbers=numbers, causes=st.lists(st.sampled_from(sorted(OUTCOMES)), min_size=6, max_size=6), due=waits)
    def settle(self, numbers: list[int], causes: list[Cause], due: int | None) -> None:
        self.settle_as(numbers, causes, due)

    @precondition(lambda self: self.claims)
    @rule(numbers=numbers, cause=st.sampled_from((Cause.PROVIDER_ACCEPTED, Cause.UNCERTAIN, Cause.DEFERRED)))
    def settle_alike(self, numbers: list[int], cause: Cause) -> None:
        self.settle_as(numbers, [cause] * len(numbers), 0)

    def settle_as(self, numbers: list[int], causes: list[Cause], due: int | None) -> None:
        settlements = []
        for n, cause in zip(numbers, causes, strict=False):
            id, fence = self.claims[-1 - n % len(self.claims)]
            settlements.append(
                Settlement(
                    id=id,
                    fence=Fence(fence + (n == 30)),
                    cause=cause,
                    due=None if due is None else self.now + due,
                    provider_id=("", None, f"p-{id}-{fence}", f"p-{id}-{fence}")[n % 4],
                    outcome=b'{"outcome":"x"}',
                )
            )
        self.ask(lambda b: b.messages.settle(settlements, self.now))

    @rule(numbers=numbers)
    def cancel(self, numbers: list[int]) -> None:
        self.ask(lambda b: b.messages.cancel(self.some(numbers), "aya", self.now))

    @rule(numbers=numbers, cause=st.sampled_from((*sorted(DECISIONS), Cause.RELEASED)))
    def resolve(self, numbers: list[int], cause: Cause) -> None:
        ids = self.some(numbers)

        async def resolve(b: Ledger) -> set[MessageId]:
            return set(await b.messages.resolve(ids, cause, "aya", "because", self.now))

        self.ask(resolve)

    # ── Sweeps and workers ──────────────────────────────────────────────────────────────────────────────────────────

    @rule(ahead=st.sampled_from((0, MINUTE, HOUR)))
    def sweep(self, ahead: int) -> None:
        self.now += ahead
        self.ask(lambda b: b.sweeps.expire(1000, self.now))
        self.ask(lambda b: b.sweeps.lease_over(1000, self.now))
        self.ask(lambda b: b.sweeps.doubts(self.few, self.now))

    @rule(numbers=numbers, later=st.sampled_from((0, MINUTE)))
    def look_again(self, numbers: list[int], later: int) -> None:
        self.ask(lambda b: b.sweeps.look_again(self.some(numbers), self.now + later))

    @rule(worker=st.sampled_from(WORKERS), what=st.sampled_from(("begin", "beat", "end")))
    def worker(self, worker: str, what: str) -> None:
        if what == "begin":
            self.ask(lambda b: b.workers.begin(WorkerRecord(worker, "host", "boot", self.now)))
        else:
            self.ask(lambda b: getattr(b.workers, what)(worker, self.now))

    @rule(worker=st.sampled_from(WORKERS), numbers=numbers, torn=st.booleans())
    def reap(self, worker: str, numbers: list[int], torn: bool) -> None:
        kinds = list(MarkKind)
        claims = [(n, *self.claims[-1 - n % len(self.claims)]) for n in numbers if self.claims]
        marks = [Mark(id, fence, kinds[n % 3], f"p-{id}-{fence}") for n, id, fence in claims]
        self.ask(lambda b: b.workers.reap(worker, None if torn else marks, self.now))

    # ── Events, suppressions, accounts, templates ───────────────────────────────────────────────────────────────────

    @precondition(lambda self: self.claims)
    @rule(
        numbers=numbers,
        kind=st.sampled_from(EventKind),
        permanence=st.sampled_from((None, *Permanence)),
        known=st.sampled_from(("correlation", "provider", "both", "neither")),
    )
    def fold(self, numbers: list[int], kind: EventKind, permanence: Permanence | None, known: str) -> None:
        events = []
        for n in numbers:
            id, fence = self.claims[n % len(self.claims)]
            correlated, recipient = known in ("correlation", "both"), ADDRESSES[n % len(ADDRESSES)]
            event = Event(
                key=f"{known}-{kind}-{id}-{fence}-{n}",
                kind=kind,
                at=self.now - n * 1000,
                provider="ses",
                provider_message_id=f"p-{id}-{fence}" if known in ("provider", "both") else "",
                recipient=recipient,
                message=message_text(id) if correlated else None,
                attempt=str(fence) if correlated else None,
                permanence=permanence,
                bounce_class=BounceClass.OTHER,
            )
            events.append(NamedEvent(event, hashed(recipient)))
        self.ask(lambda b: b.events.fold(events, self.now))

    @rule(address=st.sampled_from(ADDRESSES), scope=st.sampled_from(("all", "stream:news")), add=st.booleans())
    def suppress(self, address: str, scope: str, add: bool) -> None:
        one = Suppression(hash=hashed(address), address=address, reason="manual", scope=scope)
        if add:
            self.ask(lambda b: b.suppressions.add([one, one], self.now))
        else:
            self.ask(lambda b: b.suppressions.remove(hashed(address), scope, "aya", "asked", self.now))

    @rule(
        limits=st.sampled_from((Limits(), Limits(0.5), Limits(14.0), Limits(14.0, 20, 0.3), Limits(None, 20))),
        count=st.integers(0, 30),
        kind=st.sampled_from(("list", "list", "mail", "canary")),
        pace=st.sampled_from((None, None, Pace("docomo", 5.0), Pace("au", 0.5))),
        group=st.sampled_from((1, 1, 5, 50)),
        lane=st.sampled_from(LANES),
        instead=st.sampled_from((None, None, None, 0, 1000, 30_000)),
    )
    def slots(
        self, limits: Limits, count: int, kind: str, pace: Pace | None, group: int, lane: str, instead: int | None
    ) -> None:
        asked = Wanted(
            account="tokyo",
            lane=lane,
            limits=limits,
            count=count,
            transactional=kind == "mail",
            pace=pace,
            group=group,
            probe=kind != "canary",
            probe_ms=30_000,
            instead=None if instead is None else self.now - instead,
        )
        self.ask(lambda b: b.accounts.slots(asked, self.now))

    @rule(lane=st.sampled_from(LANES), left=st.sampled_from((0, 29_000, 30_000)))
    def untried(self, lane: str, left: int) -> None:
        self.ask(lambda b: b.accounts.untried("tokyo", lane, self.now + left))

    @rule(count=st.integers(1, 9), ago=st.sampled_from((0, 5 * MINUTE, DAY)))
    def give_back(self, count: int, ago: int) -> None:
        self.ask(lambda b: b.accounts.give_back("tokyo", count, self.now - ago))

    @rule(
        gate=st.sampled_from(("account:tokyo", "lane:ses")),
        until=st.sampled_from((None, 0, 1000, 1000, MINUTE, HOUR)),
        what=st.sampled_from(("stop", "strike", "throttle", "resume", "passed", "passed")),
    )
    def gate(self, gate: str, until: int | None, what: str) -> None:
        end = None if until is None else self.now + until
        if what == "resume":
            self.ask(lambda b: b.accounts.resume(gate, "aya", self.now))
        elif what == "passed":
            self.ask(lambda b: b.accounts.passed("tokyo", "ses", self.now))
        elif what == "throttle":
            self.ask(lambda b: b.accounts.stop(gate, "throttled", end, "", self.now, True))
        else:
            self.ask(lambda b: b.accounts.stop(gate, f"reason-{until}", end, "", self.now, what == "strike"))

    @rule(used=st.integers(0, 25))
    def report(self, used: int) -> None:
        self.ask(lambda b: b.accounts.report("tokyo", used, self.now))

    @rule(name=st.sampled_from(("x", "y")), digest=st.sampled_from(("d1", "d2")))
    def template(self, name: str, digest: str) -> None:
        self.ask(lambda b: b.templates.put(name, digest, digest.encode(), self.now))

    # ── Everything that can be read ─────────────────────────────────────────────────────────────────────────────────

    def looks(self) -> tuple[Callable[[Ledger], Awaitable[Any]], ...]:
        return (
            lambda b: b.reads.messages(self.messages),
            lambda b: b.reads.attempts(self.messages),
            lambda b: b.messages.check(list(dict(self.claims).items()), self.now),
            lambda b: b.messages.check(list(dict(reversed(self.claims)).items()), self.now),
            lambda b: b.suppressions.list("", 3),
            lambda b: b.suppressions.find([hashed(a) for a in ADDRESSES[:3]]),
            lambda b: b.runnable.runnable(self.now),
            partial(_next_due, now=self.now),
            lambda b: b.runs.list(),
            lambda b: b.figures.totals(self.runs),
            lambda b: b.figures.domains(self.runs, 9),
            lambda b: b.figures.links(self.runs, 9),
            lambda b: b.figures.machines(self.runs),
            lambda b: b.figures.timely(0, self.now + DAY),
            lambda b: b.figures.totals(self.runs),
            lambda b: b.figures.domains(self.runs, 9),
            lambda b: b.figures.links(self.runs, 9),
            lambda b: b.figures.machines(self.runs),
            lambda b: b.figures.timely(0, self.now + DAY),
            lambda b: b.sweeps.doubts(1000, self.now + DAY),
            lambda b: b.sweeps.record("ses", self.now, HORIZONS, self.now + 10 * MINUTE),
            lambda b: b.accounts.stopped(self.now),
            lambda b: b.workers.all(),
            lambda b: b.templates.list(),
            *(partial(_found, search=search) for search in self.searches()),
        )

    def searches(self) -> tuple[Search, ...]:
        return (Search(states=(State.QUEUED, State.SENT), delivery="delivered"),)

    @invariant()
    def all_is_equal(self) -> None:
        for ledger in self.ledgers:
            assert self.runner.run(ledger.reads.verify()) == []
        for look in self.looks():
            self.ask(look)
        for run in self.runs:
            self.ask(partial(_paces, run=run, now=self.now))
            rows, _ = self.ask(partial(_account, run=run))
            assert rows["read"] == sum(rows.values()) - rows["read"]

    @invariant()
    def the_journals_tell_the_same(self) -> None:
        memory, sqlite = (self.runner.run(ledger.journal.read(0, 100_000)) for ledger in self.ledgers)
        assert expanded(sqlite) == expanded(memory)


Both.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestBoth = Both.TestCase
