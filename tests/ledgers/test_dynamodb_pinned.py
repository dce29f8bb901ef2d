"""Sequences in which the ledger on DynamoDB once said something else than the memory ledger, each by itself.

Found by `test_dynamodb_differential`. Two worlds are two processes on one table; of the memory ledger there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dynamo_rig import fresh
from kakitome.core.errors import StateError
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Admitted
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.accounts import Limits, Wanted
from kakitome.ports.reads import Search
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import DAY, HOUR, MINUTE, START, World, hashed

Play = Callable[[World, World], Awaitable[Any]]


def same(play: Play) -> Any:
    """What the sequence shows, which must be the same by the memory ledger, by one process, and by two."""

    async def by_memory() -> Any:
        w = World(MemoryLedger())
        return await play(w, w)

    async def by_dynamo(processes: int) -> Any:
        table = fresh()
        first = await DynamoLedger.open(table)
        second = await DynamoLedger.open(table.beside(table.name))
        try:
            return await play(World(first), World(first if processes == 1 else second))
        finally:
            await second.feed.close()
            await first.close()

    shown = asyncio.run(by_memory())
    assert asyncio.run(by_dynamo(1)) == shown
    assert asyncio.run(by_dynamo(2)) == shown
    return shown


def test_an_outcome_that_changes_nothing_is_told() -> None:
    """A worker says again, and otherwise, how its attempt ended: the first word stays, and the journal has both."""

    async def play(a: World, b: World) -> list[str]:
        claimed = await a.one()
        await a.settle(claimed, Cause.REJECTED)
        await b.settle(claimed, Cause.DEFERRED)
        [attempt] = await a.attempts(claimed.id)
        assert attempt.cause is Cause.REJECTED
        return [entry.kind for entry in await b.journal() if entry.message == claimed.id]

    assert same(play) == [Cause.REJECTED, Cause.DEFERRED]


def test_a_key_that_meant_fewer_recipients_gives_the_first_ids() -> None:
    """The same key and the same body by their hash, sent on to more addresses than the first time."""

    async def play(a: World, b: World) -> list[tuple[int, bool]]:
        run = await a.stream()
        key = {"key": "k", "body_hash": "h", "key_until": a.now + MINUTE}
        said = []
        for w, to in (
            (a, ("a@example.jp", "b@example.jp")),
            (b, ("a@example.jp",)),
            (a, ("a@x.jp", "b@x.jp", "c@x.jp")),
        ):
            [one] = await w.ledger.messages.admit([w.submission(run, *to, **key)], w.now)
            assert isinstance(one, Admitted)
            said.append((len(one.messages), one.fresh))
        assert (await b.rows(run)) == {"read": 2, "queued": 2}
        return said

    assert same(play) == [(2, True), (2, False), (2, False)]


def test_a_row_that_is_brought_twice_waits_once() -> None:
    """Two children bring the same rows, each with a note of its own: whoever looks finds each row once."""

    async def play(a: World, b: World) -> tuple[int, int]:
        run = await a.open()
        await a.ledger.rows.expect(run, "list-1", 2, a.now)
        rows = [ImportRow(n, to, hashed(to), "{}") for n, to in enumerate(("a@example.jp", "b@example.jp"))]
        for w in (a, b, a):
            await w.ledger.rows.take(run, "list-1", rows, None, w.now, w.now)
        due = await b.ledger.messages.due(run, 9, b.now)
        return len(due), (await b.ledger.lookout.count([run], b.now))[run].waiting

    assert same(play) == (2, 2)


def test_a_clock_ahead_hides_no_row_of_an_import() -> None:
    """While one process takes a list in, another, whose clock is an hour ahead, finds the rows so far gone and forgets
    their page; the rows that come after that are found all the same."""

    async def play(a: World, b: World) -> int:
        run = await a.open()
        await a.take_in(run, "list-1", "a@example.jp")
        await a.move(run, "running")
        await a.ledger.runs.begin_import(run, "list-2", a.now)
        line = await a.append(run, "list-2", "b@example.jp")
        await a.ledger.messages.cancel([view.id for view in await a.ledger.reads.search(Search(run=run))], "aya", a.now)
        with pytest.raises(StateError):
            await b.ledger.runs.move(run, "sideways", "aya", b.now + HOUR)
        assert await b.ledger.sweeps.expire(9, b.now + HOUR) == 0
        assert await b.ledger.runnable.next_due(b.now + HOUR) is None
        assert (await b.ledger.lookout.count([run], b.now + HOUR))[run].waiting == 0
        await a.append(run, "list-2", "c@example.jp", first=line)
        await a.ledger.runs.seal(run, "list-2", a.now)
        return len(await b.ledger.messages.due(run, 9, b.now))

    assert same(play) == 1


def test_a_clock_ahead_gives_no_quota_back() -> None:
    """A process whose clock is an hour ahead takes mail of a day ago for older than that; by the right clock it counts
    against the quota all the same."""

    async def play(a: World, b: World) -> list[int]:
        begun, granted = a.now, []
        wanted = Wanted(account="tokyo", lane="ses", limits=Limits(None, 10), count=4)
        for w, at in ((a, begun), (b, begun + DAY + HOUR // 2), (a, begun + DAY - HOUR // 2)):
            granted.append((await w.ledger.accounts.slots(wanted, at)).count)
        return granted

    assert same(play) == [4, 4, 2]


def test_what_another_process_did_is_seen() -> None:
    """One process remembers a mail as claimed; another gives it back, and the first one claims it again. It remembers
    it as queued; another cancels it, and the first one gets nothing."""

    async def play(a: World, b: World) -> list[object]:
        [id] = await a.admit()
        said: list[object] = []
        for _ in range(2):
            for w, other in ((a, b), (b, a)):
                [claimed] = await w.claim(id)
                said.append(len(await other.claim(id)))
                said.append(await other.settle(claimed, Cause.RELEASED, due=w.now))
        said.append(await b.ledger.messages.cancel([id], "aya", b.now) == [id])
        said.append(await a.claim(id))
        return [*said, await a.state(id)]

    same(play)


def test_the_last_look_sees_what_another_process_did() -> None:
    """A worker remembers its claim; another process withdraws it, suppresses the address, or pauses the campaign."""

    async def play(a: World, b: World) -> list[object]:
        run = await a.campaign("a@example.jp", "b@example.jp")
        one, other = await a.claim(*await a.ledger.messages.due(run, 2, a.now))
        said: list[object] = [await a.check(one, other)]
        await b.ledger.messages.cancel([one.id], "aya", b.now)
        await b.suppress(other.address)
        said.append([cause for _, cause in sorted((await a.check(one, other)).items())])
        await b.ledger.runs.move(run, "paused", "aya", b.now)
        await b.ledger.suppressions.remove(hashed(other.address), "all", "aya", "", b.now)
        return [*said, sorted(map(str, (await a.check(one, other)).values()))]

    assert same(play)[0] == {}


def test_a_lease_is_over_though_the_page_has_a_later_one() -> None:
    """Two rows of one page are claimed, the second one four minutes after the first: each ends with its own lease."""

    async def play(a: World, b: World) -> list[int]:
        run = await a.campaign("a@example.jp", "b@example.jp", "c@example.jp")
        ids = [view.id for view in await a.ledger.reads.search(Search(run=run))]
        begun = a.now
        for n, w in enumerate((a, b)):
            assert (
                len(await w.ledger.messages.claim([ids[n]], f"w{n}", "ses", begun + (5 + 4 * n) * MINUTE, begun)) == 1
            )
        times = [begun + minutes * MINUTE for minutes in (4, 5, 8, 9, 10)]
        return [await b.ledger.sweeps.lease_over(9, time) for time in times]

    assert same(play) == [0, 1, 0, 1, 0]


LATER = (30, 50, 40, 60, 20, 10, 8, 6, 4, 2)
"""Minutes: which of the notes is found first is chance, and not that it is the newest one six times in a row."""


def test_the_next_row_is_the_one_that_is_due_first() -> None:
    """Rows of a list that come in parts are due at their own times, wherever their notes lie."""

    async def play(a: World, b: World) -> list[int | None]:
        run = await a.open()
        await a.ledger.rows.expect(run, "list-1", len(LATER), a.now)
        told: list[int | None] = []
        for n, later in enumerate(LATER):
            row = ImportRow(n, to := f"{n}@example.jp", hashed(to), "{}")
            await a.ledger.rows.take(run, "list-1", [row], None, a.now + later * MINUTE, a.now)
            told += [await w.ledger.runnable.next_due(w.now) for w in (a, b)]
        return told

    assert same(play) == [START + min(LATER[: n + 1]) * MINUTE for n in range(len(LATER)) for _ in "ab"]
