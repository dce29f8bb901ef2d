"""Random walks over the SQLite ledger: whatever workers, people, providers and clocks do, these things hold.

Each invariant has a pinned walk as well, which goes through the moment where a mistake would show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kakitome.core.event import EventKind, Permanence
from kakitome.core.ids import Fence, MessageId
from kakitome.core.lifecycle import OPEN, Cause
from kakitome.core.message import Admitted, Claimed
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.messages import DECISIONS, OUTCOMES
from kakitome.ports.records import NamedEvent
from kakitome.ports.workers import Mark, MarkKind
from kakitome.testing.ledger_world import DAY, HOUR, LEASE, MINUTE, World

Step = tuple[Any, ...]
WORKERS = ("w1", "w2")
KINDS = (EventKind.SENT, EventKind.DELIVERED, EventKind.BOUNCED, EventKind.UNKNOWN)

numbers = st.integers(0, 20)
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("admit"), st.integers(1, 3)),
    st.tuples(st.just("claim"), st.sampled_from(WORKERS)),
    st.tuples(st.just("claim"), st.sampled_from(WORKERS)),
    st.tuples(st.just("settle"), numbers, st.sampled_from(sorted(OUTCOMES))),
    st.tuples(st.just("settle"), numbers, st.sampled_from((Cause.PROVIDER_ACCEPTED, Cause.UNCERTAIN))),
    st.tuples(st.just("resolve"), numbers, st.sampled_from(sorted(DECISIONS))),
    st.tuples(st.just("event"), numbers, st.sampled_from(KINDS)),
    st.tuples(st.just("reap"), st.sampled_from(WORKERS), st.lists(st.tuples(numbers, st.sampled_from(MarkKind)))),
    st.tuples(st.just("cancel"), numbers),
    st.tuples(st.just("sweep"), st.sampled_from((0, LEASE, HOUR))),
    st.tuples(st.just("jump"), st.sampled_from((MINUTE, HOUR, -HOUR))),
)
walks = st.lists(steps, max_size=25)
quick = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


class Walk:
    """One walk, with what it met on its way."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.messages: list[MessageId] = []
        self.claims: list[Claimed] = []

    async def take(self, step: Step) -> None:
        what, *rest = step
        await getattr(self, what)(*rest)

    async def admit(self, n: int) -> None:
        self.messages += await self.w.admit(*(f"{k}@example.jp" for k in range(n)), expires=self.w.now + DAY)

    async def claim(self, worker: str) -> None:
        ids = await self.w.ledger.messages.due(await self.w.stream(), 2, self.w.now)
        self.claims += await self.w.claim(*ids, worker=worker)

    async def settle(self, n: int, cause: Cause) -> None:
        if self.claims:
            claimed = self.claims[-1 - n % len(self.claims)]
            await self.w.settle(claimed, cause, f"p-{claimed.id}-{claimed.fence}", due=self.w.now)

    async def resolve(self, n: int, cause: Cause) -> None:
        if self.messages:
            await self.w.resolve(self.messages[n % len(self.messages)], cause)

    async def event(self, n: int, kind: EventKind) -> None:
        if self.claims:
            await self.w.fold(self.w.event(kind, self.claims[n % len(self.claims)]))

    async def reap(self, worker: str, marks: list[tuple[int, MarkKind]]) -> None:
        told = [(self.claims[n % len(self.claims)], kind) for n, kind in marks if self.claims]
        await self.w.ledger.workers.reap(worker, [Mark(c.id, c.fence, kind) for c, kind in told], self.w.now)

    async def cancel(self, n: int) -> None:
        if self.messages:
            await self.w.ledger.messages.cancel([self.messages[n % len(self.messages)]], "aya", self.w.now)

    async def sweep(self, ahead: int) -> None:
        self.w.now += ahead
        await self.w.ledger.sweeps.expire(100, self.w.now)
        await self.w.ledger.sweeps.lease_over(100, self.w.now)

    async def jump(self, by: int) -> None:
        self.w.now += by


Look = Callable[[Walk], Awaitable[None]]


def walk(path: list[Step], after_each: Look, last: Look) -> None:
    async def run() -> None:
        with TemporaryDirectory() as folder:
            ledger = SqliteLedger(Path(folder) / "ledger.db")
            walking = Walk(World(ledger))
            for step in path:
                await walking.take(step)
                await after_each(walking)
            await last(walking)
            await ledger.close()

    asyncio.run(run())


async def nothing(_: Walk) -> None:
    """Nothing is asked."""


async def drained(walking: Walk) -> None:
    """Everybody does what is left to do: then no acknowledged message is still open, and none is lost."""
    w = walking.w
    run = await w.stream()
    for _ in range(50):
        w.now += LEASE + HOUR
        await w.ledger.sweeps.lease_over(1000, w.now)
        for doubt in await w.ledger.sweeps.doubts(1000, w.now):
            await w.resolve(doubt.id, Cause.DEADLINE)
        for claimed in await w.claim(*await w.ledger.messages.due(run, 1000, w.now)):
            cause = (await w.check(claimed)).get(claimed.id, Cause.PROVIDER_ACCEPTED)
            await w.settle(claimed, cause, due=w.now)
        if not any(view.state in OPEN for view in await w.ledger.reads.messages(walking.messages)):
            break
    views = await w.ledger.reads.messages(walking.messages)
    assert [view.id for view in views] == sorted(walking.messages)
    assert all(view.state not in OPEN for view in views)
    assert (await w.ledger.reads.rows(run))["read"] == len(walking.messages)
    await w.balance()


@quick
@given(walks)
@example(
    [
        ("admit", 2),
        ("claim", "w1"),
        ("settle", 0, Cause.UNCERTAIN),
        ("cancel", 0),
        ("resolve", 0, Cause.POLICY_RESEND),
        ("reap", "w1", []),
    ]
)
def test_no_acknowledged_message_is_lost_or_stuck(path: list[Step]) -> None:
    """Conservation: wherever a walk ends, every message can still be brought to an end, and is counted."""
    walk(path, nothing, drained)


@quick
@given(walks)
@example([("admit", 1), ("claim", "w1"), ("settle", 0, Cause.RELEASED), ("claim", "w2"), ("settle", 1, Cause.REJECTED)])
@example([("admit", 1), ("claim", "w1"), ("sweep", LEASE), ("resolve", 0, Cause.SILENCE), ("claim", "w2")])
def test_fences_only_rise_and_one_claim_holds(path: list[Step]) -> None:
    """A message's fence never goes back, no fence is given twice, and at most the newest claim may start."""
    highest: dict[MessageId, Fence] = {}

    async def look(walking: Walk) -> None:
        for view in await walking.w.ledger.reads.messages(walking.messages):
            assert view.fence >= highest.get(view.id, 0)
            highest[view.id] = view.fence
        given = [(c.id, c.fence) for c in walking.claims]
        assert len(given) == len(set(given))
        for claimed in walking.claims:
            if not await walking.w.check(claimed):
                assert claimed.fence == highest[claimed.id]

    walk(path, look, nothing)


@quick
@given(walks)
@example([("admit", 1), ("claim", "w1"), ("event", 0, EventKind.SENT), ("settle", 0, Cause.PROVIDER_ACCEPTED)])
@example([("admit", 3), ("claim", "w1"), ("reap", "w1", [(0, MarkKind.ACCEPTED)]), ("sweep", HOUR)])
def test_counters_equal_the_recount(path: list[Step]) -> None:
    """After every single step, not only in the end."""

    async def look(walking: Walk) -> None:
        await walking.w.balance()

    walk(path, look, nothing)


@quick
@given(st.lists(st.tuples(steps, st.sampled_from((-HOUR, HOUR, 0))), max_size=15))
@example([(("admit", 1), -HOUR), (("claim", "w1"), HOUR), (("sweep", 0), -HOUR), (("claim", "w2"), -HOUR)])
def test_a_clock_that_jumps_an_hour_breaks_nothing(path: list[tuple[Step, int]]) -> None:
    """Between any two steps: the books balance, nothing is lost, and everything still comes to an end."""

    async def look(walking: Walk) -> None:
        await walking.w.balance()

    walk([part for step, jump in path for part in (step, ("jump", jump))], look, drained)


@quick
@given(st.lists(st.tuples(st.sampled_from(("k1", "k2")), st.sampled_from(("x", "y")), st.booleans()), max_size=12))
@example([("k1", "x", False), ("k1", "x", True), ("k1", "y", False), ("k1", "x", False)])
def test_the_same_key_and_body_are_the_same_message(asked: list[tuple[str, str, bool]]) -> None:
    """However often and in whatever batches: one key names one body's messages, and no other body ever gets them."""

    async def run(w: World) -> None:
        stream, first = await w.stream(), dict[str, tuple[str, Admitted]]()
        for key, body, twice in asked:
            submission = w.submission(stream, f"{body}@example.jp", key=key, body_hash=body, key_until=w.now + DAY)
            for answer in await w.ledger.messages.admit([submission] * (1 + twice), w.now):
                known_body, known = first.setdefault(key, (body, answer))  # type: ignore[arg-type]
                assert isinstance(answer, Admitted) == (body == known_body)
                if isinstance(answer, Admitted):
                    assert answer.messages == known.messages
        assert (await w.ledger.reads.rows(stream))["read"] == len(first)

    walk([], nothing, lambda walking: run(walking.w))


events = st.lists(
    st.tuples(numbers, st.sampled_from(EventKind), st.integers(0, 5), st.sampled_from(("ours", "id", "both"))),
    max_size=12,
)


@quick
@given(events, st.randoms(use_true_random=False))
@example(
    [(0, EventKind.DELIVERED, 3, "id"), (0, EventKind.SENT, 1, "both"), (1, EventKind.BOUNCED, 2, "ours")],
    Random(3),
)
def test_folding_is_commutative_and_idempotent(happenings: list[tuple[int, EventKind, int, str]], random: Any) -> None:
    """In any order, in any batches, any of them again, before the reply or after it: the same ledger."""

    async def told(order: list[int], replies_first: bool) -> Any:
        with TemporaryDirectory() as folder:
            ledger = SqliteLedger(Path(folder) / "ledger.db")
            w = World(ledger)
            claims = await _two_attempts_of_two(w)
            named = [_event(w, n, claims[c % 4], kind, at, by) for n, (c, kind, at, by) in enumerate(happenings)]
            if replies_first:
                await _replies(w, claims)
            for n in order:
                await w.fold(named[n], *(named[n // 2 : n // 2 + 1] if n % 2 else []))
            if not replies_first:
                await _replies(w, claims)
            ids = sorted({c.id for c in claims})
            seen = (
                # Whether the reply or an event ended the claim: only a reply counts as an attempt.
                [msgspec.structs.replace(view, attempts=0) for view in await ledger.reads.messages(ids)],
                [(a.message, a.fence, a.proved, a.provider_id) for a in await ledger.reads.attempts(ids)],
                await ledger.reads.delivery(claims[0].run),
                {s.hash for s in await ledger.suppressions.list("", 100)},
                [await ledger.events.of(id) for id in ids],
            )
            await w.balance()
            await ledger.close()
            return seen

    order = list(range(len(happenings)))
    expected = asyncio.run(told(order, replies_first=True))
    for replies_first in (True, False):
        shuffled = [*order, *order[::3]]
        random.shuffle(shuffled)
        assert asyncio.run(told(shuffled, replies_first)) == expected


async def _two_attempts_of_two(w: World) -> list[Claimed]:
    claims = []
    for address in ("a@example.jp", "b@example.jp"):
        [first] = await w.claim(*await w.admit(address))
        await w.settle(first, Cause.DEFERRED, due=w.now)
        claims += [first, *await w.claim(first.id, worker="w2")]
    return claims


async def _replies(w: World, claims: list[Claimed]) -> None:
    for claimed in claims[1::2]:
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{claimed.id}-{claimed.fence}")


def _event(w: World, n: int, claimed: Claimed, kind: EventKind, at: int, by: str) -> NamedEvent:
    return w.event(
        kind,
        None if by == "id" else claimed,
        key=f"key-{n}",
        at=w.now + at,
        provider_message_id="" if by == "ours" else f"p-{claimed.id}-{claimed.fence}",
        recipient=claimed.address,
        permanence=Permanence.PERMANENT,
    )
