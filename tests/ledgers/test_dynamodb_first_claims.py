"""The first claim of a row lies in its note, and a row that waits is written by nobody before the note says so.

Two processes; of the one's writes each may be one before which the other does something, or at which it dies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dynamo_parts import Kill, Killed, two_processes
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Claimed
from kakitome.ledgers.dynamodb import keys, notes
from kakitome.ledgers.dynamodb.items import bytes_of
from kakitome.ledgers.dynamodb.marshal import Item
from kakitome.ledgers.dynamodb.notes import Note
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import LEASE, World, hashed


def readers(n: int) -> list[str]:
    return [f"{k}@example.jp" for k in range(n)]


async def waiting(w: World, run: RunId) -> list[MessageId]:
    return await w.ledger.messages.due(run, 99, w.now)


async def notes_of(kill: Kill, run: RunId) -> list[Note]:
    return [notes.unpack(bytes_of(item)) for item in await kill.table.query(keys.notes(run))]


async def born_again(w: World, run: RunId) -> None:
    """The page has nothing left, so its note is thrown away; then a second list brings a row."""
    assert await waiting(w, run) == []
    await w.take_in(run, "list-2", "new@example.jp")


def before_rows(table: Any, instead: Callable[[], Awaitable[None]]) -> None:
    """Once, before rows of a page are read."""
    query = table.query

    async def asked(pk: str, **more: Any) -> list[Item]:
        if pk.startswith("c"):
            table.query = query
            await instead()
        found: list[Item] = await query(pk, **more)
        return found

    table.query = asked


def test_a_claim_is_one_write_for_all_rows_of_a_page() -> None:
    """And everybody sees them in hand: the other process, the counters, the journal."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(40))
        ids = await waiting(a, run)
        before = kill.writes
        claims = await a.claim(*ids[:30])
        assert kill.writes - before == 1
        assert [one.id for one in claims] == ids[:30]
        assert await b.rows(run) == {"read": 40, "queued": 10, "sending": 30}
        assert await b.claim(*ids[:30]) == []
        assert {await b.state(id) for id in ids[:30]} == {State.SENDING}
        [entry] = [one for one in await b.journal() if one.kind == Cause.CLAIMED]
        assert entry.data["ids"] == ids[:30] and entry.data["worker"] == "w1"
        assert [one.fence for one in await b.attempts(ids[0])] == [1]
        await a.settle(claims[0], Cause.PROVIDER_ACCEPTED)
        assert await b.rows(run) == {"read": 40, "queued": 10, "sending": 29, "sent": 1}

    two_processes(story)


def test_rows_of_a_child_that_ran_out_of_time_are_claimed_together() -> None:
    """They lie on many pages and share the note that names them."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.open()
        await a.ledger.rows.expect(run, "list-1", 3_000, a.now)
        await a.move(run, "running")
        rows = [ImportRow(k, to, hashed(to), "{}") for k, to in enumerate(readers(20))]
        await a.ledger.rows.take(run, "list-1", rows, None, a.now, a.now)
        ids = await waiting(b, run)
        assert len({keys.page_of(id) for id in ids}) > 1
        before = kill.writes
        assert len(await a.claim(*ids)) == 20
        assert kill.writes - before == 1
        assert await b.ledger.sweeps.lease_over(99, b.now + LEASE) == 20

    two_processes(story)


def test_two_who_want_the_same_rows_share_them() -> None:
    """While one is about to claim three rows the other claims one of them: it gets the others."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(3))
        ids = await waiting(a, run)
        others: list[Claimed] = []

        async def faster() -> None:
            others.extend(await b.claim(ids[1], worker="w2"))

        kill.before(0, faster)
        claims = await a.claim(*ids)
        assert [one.id for one in claims] == [ids[0], ids[2]]
        assert [one.id for one in others] == [ids[1]]

    two_processes(story)


@pytest.mark.parametrize("write", [0, 1])
def test_who_cancels_a_row_and_who_claims_it_exclude_each_other(write: int) -> None:
    """Somebody cancels a row that waits, and a worker claims it before he has written anything, or between what he
    writes into its note and the row: the claim is told at its check, and nothing is sent."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(2))
        [one, _] = await waiting(a, run)
        claims: list[Claimed] = []

        async def claims_it() -> None:
            claims.extend(await b.claim(one))

        kill.before(write, claims_it)
        assert await a.ledger.messages.cancel([one], "aya", a.now) == [one]
        assert kill.left is None
        [claimed] = claims
        assert await b.check(claimed) == {one: Cause.CANCELLED}
        await b.settle(claimed, Cause.CANCELLED)
        assert await a.state(one) is State.CANCELLED
        assert len(await a.attempts(one)) == 1

    two_processes(story)


def test_a_row_that_nobody_came_to_cancel_still_waits() -> None:
    """Whoever wanted to write it dies when its note says that it speaks for itself: the next one claims it, once."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(2))
        [one, two] = await waiting(a, run)
        kill.left = 1
        with pytest.raises(Killed):
            await a.ledger.messages.cancel([one], "aya", a.now)
        [note] = await notes_of(Kill(kill.table.beside(kill.table.name)), run)
        assert note.apart == notes.row(one)
        assert {claimed.id for claimed in await b.claim(*await waiting(b, run))} == {one, two}
        assert await b.claim(one) == []
        assert await b.ledger.sweeps.lease_over(9, b.now + LEASE) == 2

    two_processes(story)


def test_a_row_that_is_remembered_from_an_earlier_note_is_claimed_by_nobody() -> None:
    """One process has seen two rows waiting. They are sent by another, their page has nothing left, and its note is
    thrown away; then a second list brings a row to the page, and so a note."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(2))
        old = await waiting(a, run)
        for claimed in await b.claim(*await waiting(b, run)):
            await b.settle(claimed, Cause.PROVIDER_ACCEPTED)
        assert await waiting(b, run) == []
        assert await notes_of(kill, run) == []
        await b.take_in(run, "list-2", "new@example.jp")
        assert await a.claim(*old) == []
        assert [one.kind for one in await b.journal()].count(Cause.CLAIMED) == 1
        assert len(await waiting(b, run)) == 1

    two_processes(story)


def test_a_row_that_came_between_two_looks_is_claimed_by_its_own_note() -> None:
    """One process has read a page's note, and is about to read its rows. The note is thrown away and there is another
    one, with a row: that one decides who claims it."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(2))
        for claimed in await b.claim(*await waiting(b, run)):
            await b.settle(claimed, Cause.PROVIDER_ACCEPTED)

        async def another_note() -> None:
            await born_again(b, run)

        before_rows(kill.table, another_note)
        [new] = await waiting(a, run)
        assert len(await b.claim(new)) == 1
        assert await a.claim(new) == []
        assert await a.ledger.messages.cancel([new], "aya", a.now) == [new]
        assert await b.rows(run) == {"read": 3, "sent": 2, "sending": 1}

    two_processes(story)


def test_what_was_to_be_written_into_an_earlier_note_is_written_nowhere() -> None:
    """Whoever has read a note, and is stopped, finds another one at its place that was changed as often: the claim that
    lies there is still the only one."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(2))
        one, two = await waiting(a, run)
        [claimed] = await a.claim(one)
        others: list[Claimed] = []

        async def another_note() -> None:
            await b.ledger.messages.cancel([two], "aya", b.now)
            await b.settle(claimed, Cause.PROVIDER_ACCEPTED)
            await born_again(b, run)
            others.extend(await b.claim(*await waiting(b, run)))

        kill.before(0, another_note)
        assert await a.claim(two) == []
        assert await a.claim(*[other.id for other in others]) == []
        assert await b.rows(run) == {"read": 3, "sent": 1, "cancelled": 1, "sending": 1}

    two_processes(story)


def test_a_note_does_not_grow_with_every_claim() -> None:
    """A slow account takes a list row by row: what is past is a few octets."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(60))
        for id in await waiting(a, run):
            [claimed] = await a.claim(id)
            await a.settle(claimed, Cause.PROVIDER_ACCEPTED)
            [note] = await notes_of(kill, run)
            assert len(note.claims) <= 1
        [item] = await kill.table.query(keys.notes(run))
        assert len(bytes_of(item)) < 60 * 8 + 200

    two_processes(story)


def test_a_claim_that_nobody_holds_any_more_ends_by_its_note() -> None:
    """The worker is gone, and with it what it remembered: its claims end by its marks, or with their lease."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(3))
        ids = await waiting(a, run)
        await a.begin()
        await a.claim(*ids[:2])
        reaped = await b.ledger.workers.reap("w1", [], b.now)
        assert (reaped.queued, reaped.in_doubt) == (2, 0)
        assert len(await waiting(b, run)) == 3
        assert {one.fence for one in await b.claim(*ids)} == {1, 2}

    two_processes(story)


def test_rows_come_with_a_claim_beside_rows_that_wait() -> None:
    """A list by a worker, and one by a Map, in one campaign: each row is claimed once, where it belongs."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(4))
        await b.ledger.rows.expect(run, "list-2", 4, b.now)
        rows = [ImportRow(k, to, hashed(to), "{}") for k, to in enumerate(readers(6)[2:])]
        claiming = Claiming("w2", "ses", b.now + LEASE)
        taken = await b.ledger.rows.take(run, "list-2", rows, claiming, b.now, b.now)
        assert (len(taken.claims), taken.already) == (2, 2)
        assert len(await a.claim(*await waiting(a, run))) == 4
        assert await a.rows(run) == {"read": 8, "already": 2, "sending": 6}
        await b.ledger.rows.close(run, "list-2", b.now)

    two_processes(story)
