"""A campaign that runs while its list comes: what may begin beside it, and when it is whole."""

from __future__ import annotations

from collections.abc import Awaitable

from kakitome.core.errors import NotFound
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.testing.ledger_campaigns import refuses
from kakitome.testing.ledger_rows import LIST, A, B, C, addresses, close, expected, row, take
from kakitome.testing.ledger_world import Clauses, World, clause


async def finds_nothing(attempt: Awaitable[object]) -> None:
    """That a call raises `NotFound`."""
    try:
        await attempt
    except NotFound:
        return
    raise AssertionError("it was found")


class Expected(Clauses):
    @clause
    async def test_rows_are_expected_of_a_running_campaign(self, w: World) -> None:
        """From `importing`, `ready` and `done` it becomes `running`; a pause is a person's word and stays."""
        for before, after in (
            ("importing", "running"),
            ("ready", "running"),
            ("done", "running"),
            ("paused", "paused"),
        ):
            run = await w.open(before)
            if before != "importing":
                await w.take_in(run, "list-0")
            if before in ("paused", "done"):
                await w.move(run, "running")
                await w.move(run, before)
            assert (await w.ledger.rows.expect(run, LIST, 2, w.now)).state == after
            assert await w.rows(run) == {"read": 2, "missing": 2}

    @clause
    async def test_expecting_twice_is_expecting_once(self, w: World) -> None:
        """The same list with the same number changes nothing, also where it is closed; another number is refused."""
        run = await expected(w, 1)
        seq = await w.seq()
        assert (await w.ledger.rows.expect(run, LIST, 1, w.now)).state == "running"
        assert await w.journal(seq) == []
        await refuses(w.ledger.rows.expect(run, LIST, 2, w.now))
        await take(w, run, row(0, A))
        assert await close(w, run) == 0
        assert (await w.ledger.rows.expect(run, LIST, 1, w.now)).state == "running"
        assert await w.rows(run) == {"read": 1, "sending": 1}

    @clause
    async def test_one_list_at_a_time_in_either_way(self, w: World) -> None:
        """While rows are expected no list is taken in as a whole, not even the same one, and the other way round."""
        run = await expected(w, 1)
        await refuses(w.ledger.runs.begin_import(run, "list-2", w.now))
        await refuses(w.ledger.runs.begin_import(run, LIST, w.now))
        await refuses(w.append(run, LIST, A))
        await refuses(w.ledger.runs.seal(run, LIST, w.now))
        await refuses(w.ledger.rows.expect(run, "list-2", 1, w.now))
        whole = await w.open("whole")
        await w.ledger.runs.begin_import(whole, LIST, w.now)
        await refuses(w.ledger.rows.expect(whole, LIST, 1, w.now))
        await refuses(w.ledger.rows.expect(whole, "list-2", 1, w.now))
        await finds_nothing(take(w, whole, row(0, A)))
        await w.ledger.runs.seal(whole, LIST, w.now)
        await refuses(w.ledger.rows.expect(whole, LIST, 1, w.now))
        await w.ledger.rows.expect(whole, "list-2", 1, w.now)

    @clause
    async def test_a_paused_campaign_takes_rows_and_hands_none_out(self, w: World) -> None:
        """They are queued; when it goes on, anybody may have them."""
        run = await expected(w, 2)
        await w.move(run, "paused")
        assert (await take(w, run, row(0, A))).claims == ()
        assert (await take(w, run, row(0, A))).claims == ()
        assert await w.rows(run) == {"read": 2, "missing": 1, "queued": 1}
        await w.move(run, "running")
        assert addresses(await take(w, run, row(1, B), row(0, A))) == [B, A]

    @clause
    async def test_a_cancelled_campaign_takes_none(self, w: World) -> None:
        """The list ends; what did not come stays `missing`; what is in hand is cancelled at its check."""
        run = await expected(w, 4)
        [a] = (await take(w, run, row(0, A))).claims
        await take(w, run, row(1, B), worker=None)
        await w.move(run, "cancelled")
        await refuses(take(w, run, row(2, C)))
        await refuses(w.ledger.rows.bad(run, LIST, [2], w.now))
        await refuses(w.ledger.rows.expect(run, LIST, 4, w.now))
        await refuses(w.ledger.rows.expect(run, "list-2", 1, w.now))
        assert await close(w, run) == 2
        assert await w.check(a) == {a.id: Cause.CANCELLED}
        assert await w.rows(run) == {"read": 4, "missing": 2, "sending": 1, "cancelled": 1}

    @clause
    async def test_it_is_not_done_before_it_is_closed(self, w: World) -> None:
        """Rows may still come, also where every row that came has its outcome."""
        run = await expected(w, 2)
        [a] = (await take(w, run, row(0, A))).claims
        await w.settle(a, Cause.PROVIDER_ACCEPTED)
        await refuses(w.move(run, "done"))
        [b] = (await take(w, run, row(1, B))).claims
        await w.settle(b, Cause.PROVIDER_ACCEPTED)
        await refuses(w.move(run, "done"))
        assert await close(w, run) == 0
        assert (await w.move(run, "done")).state == "done"

    @clause
    async def test_closing(self, w: World) -> None:
        """Only what is whole is closed, once; then no more rows come, and another list may."""
        run = await expected(w, 1)
        assert await close(w, run) == 1
        [claimed] = (await take(w, run, row(0, A))).claims
        assert await close(w, run) == 0
        seq = await w.seq()
        assert await close(w, run) == 0
        assert await w.journal(seq) == []
        await refuses(take(w, run, row(0, A)))
        await refuses(w.ledger.rows.bad(run, LIST, [1], w.now))
        assert (await w.ledger.runs.begin_import(run, LIST, w.now)).sealed
        await w.ledger.rows.expect(run, "list-2", 1, w.now)
        [taken] = (await w.ledger.rows.take(run, "list-2", [row(0, A)], None, w.now, w.now),)
        assert (taken.fresh, taken.already) == (0, 1)
        assert await w.ledger.rows.close(run, "list-2", w.now) == 0
        assert await w.state(claimed.id) is State.SENDING

    @clause
    async def test_rows_need_to_be_expected(self, w: World) -> None:
        """A list that nobody expects is `NotFound`, and so is a run that is not there."""
        run = await w.open()
        for attempt in (
            take(w, run, row(0, A)),
            w.ledger.rows.bad(run, LIST, [0], w.now),
            close(w, run),
            w.ledger.rows.expect(RunId(404), LIST, 1, w.now),
        ):
            await finds_nothing(attempt)
