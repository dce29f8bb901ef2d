"""Rows that come while their campaign runs: in any order, any number of times, from many children at once."""

from __future__ import annotations

from kakitome.core.ids import Fence, MessageId, RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.ports.rows import Claiming, Taken
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import HOUR, LEASE, MINUTE, Clauses, World, clause, hashed, named

A, B, C, D = (f"{name}@example.jp" for name in "abcd")
LIST = "list-1"


def row(line: int, address: str) -> ImportRow:
    return ImportRow(line, address, hashed(address), f'{{"n":{line}}}')


async def expected(w: World, rows: int, expires: int | None = None) -> RunId:
    """A campaign that waits for so many rows."""
    run = await w.open(expires=expires)
    await w.ledger.rows.expect(run, LIST, rows, w.now)
    return run


async def take(w: World, run: RunId, *rows: ImportRow, worker: str | None = "w1", due: int | None = None) -> Taken:
    claim = Claiming(worker, "ses", w.now + LEASE) if worker else None
    return await w.ledger.rows.take(run, LIST, rows, claim, w.now if due is None else due, w.now)


async def close(w: World, run: RunId) -> int:
    return await w.ledger.rows.close(run, LIST, w.now)


def addresses(taken: Taken) -> list[str]:
    return [claimed.address for claimed in taken.claims]


class Rows(Clauses):
    @clause
    async def test_a_row_is_in_the_callers_hands(self, w: World) -> None:
        """It is `sending` with its first attempt, and the claim carries what sending needs."""
        run = await expected(w, 2, expires=w.now + HOUR)
        taken = await take(w, run, row(1, B), row(0, A))
        assert (taken.fresh, taken.duplicate, taken.already) == (2, 0, 0)
        assert addresses(taken) == [B, A], "in the order given"
        [b, a] = taken.claims
        assert a.id < b.id, "in the order of the lines"
        assert (b.fence, b.run, b.attempts, b.first_claimed) == (Fence(1), run, 0, w.now)
        assert (b.expires, b.submission, b.variables) == (w.now + HOUR, None, b'{"n":1}')
        view = await w.view(b.id)
        assert (view.state, view.line, view.fence, view.attempts) == (State.SENDING, 1, 1, 0)
        [attempt] = await w.attempts(b.id)
        assert (attempt.fence, attempt.worker, attempt.lane, attempt.begun) == (1, "w1", "ses", w.now)
        assert await w.claim(a.id, b.id) == []
        assert await w.check(a, b) == {}
        assert await w.rows(run) == {"read": 2, "sending": 2}
        await w.settle(b, Cause.PROVIDER_ACCEPTED, "p-1")
        assert await w.rows(run) == {"read": 2, "sending": 1, "sent": 1}

    @clause
    async def test_when_it_was_taken_in(self, w: World) -> None:
        """A view says so, whichever way the mail came and whatever happened to it since."""
        came = dict[MessageId, int]()
        [single] = await w.admit(C)
        came[single] = w.now
        w.now += MINUTE
        [imported] = await w.ledger.messages.due(await w.campaign(A, name="imported"), 1, w.now)
        came[imported] = w.now
        w.now += MINUTE
        [claimed] = (await take(w, await expected(w, 1), row(0, B))).claims
        came[claimed.id] = w.now
        w.now += MINUTE
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p-1")
        assert {id: (await w.view(id)).accepted for id in came} == came

    @clause
    async def test_the_journal_names_who_has_them(self, w: World) -> None:
        """`admitted_with_claim`, with ids, worker, lane and lease: the one entry of a message's beginning."""
        run = await expected(w, 2)
        taken = await take(w, run, row(0, A), row(1, B))
        entries = await w.journal()
        for claimed in taken.claims:
            assert named(entries, claimed.id) == ["admitted_with_claim"]
            entry = next(e for e in entries if claimed.id in e.data.get("ids", ()))
            assert (entry.run, entry.at, entry.data["worker"]) == (run, w.now, "w1")
            assert (entry.data["lane"], entry.data["lease"]) == ("ses", w.now + LEASE)

    @clause
    async def test_rows_come_in_any_order(self, w: World) -> None:
        """The last slice first: what is missing is what has not come."""
        run = await expected(w, 4)
        await take(w, run, row(2, C), row(3, D))
        assert await w.rows(run) == {"read": 4, "missing": 2, "sending": 2}
        assert await close(w, run) == 2
        await take(w, run, row(0, A), row(1, B))
        assert await w.rows(run) == {"read": 4, "sending": 4}
        assert await close(w, run) == 0

    @clause
    async def test_a_slice_twice_is_a_slice_once(self, w: World) -> None:
        """A child that runs again finds its rows there and gets no second claim."""
        run = await expected(w, 3)
        slice_ = (row(0, A), row(1, B), row(2, A))
        first = await take(w, run, *slice_)
        assert (addresses(first), first.fresh, first.duplicate) == ([A, B], 2, 1)
        seq = await w.seq()
        for worker in ("w1", "w2", None):
            again = await take(w, run, *slice_, worker=worker)
            assert (again.claims, again.fresh, again.duplicate) == ((), 2, 1)
        assert await w.journal(seq) == []
        assert await w.rows(run) == {"read": 3, "duplicate": 1, "sending": 2}
        assert await close(w, run) == 0

    @clause
    async def test_two_children_with_rows_in_common(self, w: World) -> None:
        """Each row is in one's hands; the other gets what is left."""
        run = await expected(w, 3)
        one = await take(w, run, row(0, A), row(1, B), worker="w1")
        two = await take(w, run, row(1, B), row(2, C), worker="w2")
        assert (addresses(one), addresses(two)) == ([A, B], [C])
        assert (two.fresh, two.duplicate, two.already) == (2, 0, 0)
        assert await w.rows(run) == {"read": 3, "sending": 3}

    @clause
    async def test_a_row_twice_in_one_slice(self, w: World) -> None:
        """It is one message and one claim."""
        run = await expected(w, 1)
        taken = await take(w, run, row(0, A), row(0, A))
        assert (addresses(taken), taken.fresh, taken.duplicate) == ([A], 2, 0)
        assert await close(w, run) == 0

    @clause
    async def test_an_address_in_two_children(self, w: World) -> None:
        """Whoever comes first has the message; the other's line is a duplicate, and counts once."""
        run = await expected(w, 3)
        await take(w, run, row(2, A))
        taken = await take(w, run, row(0, A), row(1, B))
        assert (addresses(taken), taken.fresh, taken.duplicate) == ([B], 1, 1)
        await take(w, run, row(0, A))
        assert await w.rows(run) == {"read": 3, "duplicate": 1, "sending": 2}
        assert await close(w, run) == 0

    @clause
    async def test_who_has_it_from_another_list(self, w: World) -> None:
        """`already`, both of its lines, each once; its message is not touched."""
        run = await w.campaign(A, digest="list-0")
        [claimed] = await w.claim(*await w.ledger.messages.due(run, 1, w.now))
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED)
        before = await w.view(claimed.id)
        await w.ledger.rows.expect(run, LIST, 3, w.now)
        for _ in range(2):
            taken = await take(w, run, row(0, A), row(1, B), row(2, A))
            assert (taken.fresh, taken.already) == (1, 2)
        assert await w.view(claimed.id) == before
        assert await w.rows(run) == {"read": 4, "already": 2, "sending": 1, "sent": 1}

    @clause
    async def test_bad_lines_count_once(self, w: World) -> None:
        """However often they are said; they are not missing."""
        run = await expected(w, 3)
        await w.ledger.rows.bad(run, LIST, [1, 2, 1], w.now)
        await w.ledger.rows.bad(run, LIST, [2], w.now)
        assert await w.rows(run) == {"read": 3, "invalid": 2, "missing": 1}
        await take(w, run, row(0, A))
        assert await close(w, run) == 0
        assert await w.rows(run) == {"read": 3, "invalid": 2, "sending": 1}

    @clause
    async def test_without_a_claim_they_wait_for_any_worker(self, w: World) -> None:
        """`queued`, due and claimable at once, never `importing`."""
        run = await expected(w, 2)
        taken = await take(w, run, row(0, A), row(1, B), worker=None)
        assert (taken.claims, taken.fresh) == ((), 2)
        assert await w.rows(run) == {"read": 2, "queued": 2}
        assert [r.id for r in await w.ledger.runnable.runnable(w.now)] == [run]
        ids = await w.ledger.messages.due(run, 10, w.now)
        assert [named(await w.journal(), id) for id in ids] == [["accepted"], ["accepted"]]
        [a] = await w.claim(ids[0])
        await w.ledger.messages.cancel([ids[1]], "aya", w.now)
        assert (a.fence, a.variables) == (1, b'{"n":0}')
        assert await w.rows(run) == {"read": 2, "sending": 1, "cancelled": 1}

    @clause
    async def test_what_is_due_later_waits(self, w: World) -> None:
        """No claim makes it earlier; when its time comes, its own line gets it."""
        run = await expected(w, 1)
        assert (await take(w, run, row(0, A), due=w.now + HOUR)).claims == ()
        assert (await take(w, run, row(0, A))).claims == ()
        assert await w.rows(run) == {"read": 1, "queued": 1}
        w.now += HOUR
        assert addresses(await take(w, run, row(0, A))) == [A]

    @clause
    async def test_its_own_line_claims_what_waits(self, w: World) -> None:
        """A child that runs again claims what is queued and due, as anybody would: with a newer fence."""
        run = await expected(w, 3)
        [a, b] = (await take(w, run, row(0, A), row(1, B))).claims
        await w.settle(a, Cause.DEFERRED, due=w.now)
        await w.settle(b, Cause.DEFERRED, due=w.now + HOUR)
        taken = await take(w, run, row(2, C), row(1, B), row(0, A), worker="w2")
        assert (addresses(taken), taken.fresh) == ([C, A], 3)
        assert [(c.fence, c.attempts) for c in taken.claims] == [(1, 0), (2, 1)]
        assert named(await w.journal(), a.id) == ["admitted_with_claim", "deferred", "claimed"]

    @clause
    async def test_a_dead_childs_claim_lasts_as_long_as_its_lease(self, w: World) -> None:
        """Until then its rows are left alone; then they are in doubt, like every claim of somebody who is silent."""
        run = await expected(w, 1)
        [claimed] = (await take(w, run, row(0, A))).claims
        w.now += LEASE - 1
        assert (await take(w, run, row(0, A), worker="w2")).claims == ()
        assert await w.ledger.sweeps.lease_over(10, w.now) == 0
        w.now += 1
        assert await w.ledger.sweeps.lease_over(10, w.now) == 1
        assert await w.state(claimed.id) is State.IN_DOUBT
        assert (await take(w, run, row(0, A), worker="w2")).claims == ()

    @clause
    async def test_a_dead_workers_unmarked_rows_are_queued(self, w: World) -> None:
        """The reaper finds them by their worker, as any claim, and the child's repetition has them."""
        await w.begin("w1")
        run = await expected(w, 1)
        await take(w, run, row(0, A))
        assert (await w.ledger.workers.reap("w1", [], w.now)).queued == 1
        taken = await take(w, run, row(0, A), worker="w2")
        assert [c.fence for c in taken.claims] == [2]

    @clause
    async def test_whether_it_may_be_written_to_is_found_by_the_check(self, w: World) -> None:
        """As with every claim, at most a second before the write: suppressed, expired, paused."""
        run = await expected(w, 3, expires=w.now + HOUR)
        await w.suppress(A)
        [a, b] = (await take(w, run, row(0, A), row(1, B))).claims
        assert await w.check(a, b) == {a.id: Cause.SUPPRESSED}
        await w.move(run, "paused")
        assert await w.check(b) == {b.id: Cause.RELEASED}
        await w.move(run, "running")
        w.now += HOUR
        [c] = (await take(w, run, row(2, C))).claims
        assert await w.check(b, c) == {b.id: Cause.EXPIRED, c.id: Cause.EXPIRED}

    @clause
    async def test_what_waited_too_long_expires(self, w: World) -> None:
        """The sweeper ends queued rows of a list that is still coming, and nothing is counted below zero."""
        run = await expected(w, 2, expires=w.now + MINUTE)
        await take(w, run, row(0, A), worker=None)
        w.now += MINUTE
        assert await w.ledger.sweeps.expire(10, w.now) == 1
        assert await w.rows(run) == {"read": 2, "missing": 1, "expired": 1}

    @clause
    async def test_what_expired_before_it_was_tried_may_be_sent_after_all(self, w: World) -> None:
        """By a person's word, however long nobody looked at it: it waits again, and whoever claims it may die."""
        run = await w.open(expires=w.now + MINUTE)
        await w.take_in(run, LIST, A, B)
        await w.move(run, "running")
        ids = await w.ledger.messages.due(run, 9, w.now)
        w.now += MINUTE
        assert await w.ledger.sweeps.expire(9, w.now) == 2
        assert await w.ledger.messages.due(run, 9, w.now) == []
        assert await w.ledger.sweeps.lease_over(9, w.now) == 0
        for id in ids:
            assert await w.resolve(id, Cause.PERSON_RESEND) == [id]
        assert sorted(await w.ledger.messages.due(run, 9, w.now)) == sorted(ids)
        assert [claimed.fence for claimed in await w.claim(ids[0])] == [1]
        assert await w.ledger.messages.due(run, 9, w.now) == ids[1:]
        w.now += LEASE
        assert await w.ledger.sweeps.lease_over(9, w.now) == 1
        assert await w.state(ids[0]) is State.IN_DOUBT
