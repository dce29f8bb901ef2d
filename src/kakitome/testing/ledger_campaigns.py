"""Campaigns: imports that can be interrupted and repeated, and the moves of a run."""

from __future__ import annotations

import msgspec

from kakitome.core.errors import NotFound, StateError
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.policy import Kind, Policy
from kakitome.ports.runs import MOVES
from kakitome.testing.ledger_world import HOUR, MINUTE, Clauses, World, clause, hashed, named

A, B, C, D = (f"{name}@example.jp" for name in "abcd")


async def refuses(attempt: object) -> None:
    """That a call raises `StateError`."""
    try:
        await attempt  # type: ignore[misc]
    except StateError:
        return
    raise AssertionError("it was allowed")


class Campaigns(Clauses):
    @clause
    async def test_opening_twice_is_opening_once(self, w: World) -> None:
        """A campaign is named once; an existing one is answered as it is, whatever else is said the second time."""
        run = await w.open("letter")
        again = await w.ledger.runs.open("letter", "other", Policy(attempts=1), 7, b"[]", None, w.now + HOUR)
        assert (again.id, again.stream, again.template, again.state) == (run, "bulk", None, "importing")
        assert await w.ledger.runs.find("letter") == again
        assert await w.ledger.runs.find("other") is None

    @clause
    async def test_nothing_is_claimable_before_the_import_is_sealed(self, w: World) -> None:
        """While a list is taken in its rows are `importing`, and workers see nothing of them."""
        run = await w.open()
        await w.ledger.runs.begin_import(run, "list-1", w.now)
        assert await w.append(run, "list-1", A, B, invalid=2) == 4
        assert await w.rows(run) == {"read": 4, "invalid": 2, "importing": 2}
        assert await w.ledger.runnable.runnable(w.now) == []
        assert await w.claim(*await w.ledger.messages.due(run, 10, w.now)) == []
        assert (await w.ledger.runs.seal(run, "list-1", w.now)).state == "ready"
        assert await w.rows(run) == {"read": 4, "invalid": 2, "queued": 2}
        assert (await w.move(run, "running")).state == "running"
        assert [r.id for r in await w.ledger.runnable.runnable(w.now)] == [run]

    @clause
    async def test_append_is_idempotent_by_its_first_line(self, w: World) -> None:
        """A batch that was stored before, and one that leaves a gap, change nothing and say where to go on."""
        run = await w.open()
        await w.ledger.runs.begin_import(run, "list-1", w.now)
        assert await w.append(run, "list-1", A, B) == 2
        assert await w.append(run, "list-1", A, B) == 2
        assert await w.append(run, "list-1", C, first=7) == 2
        assert await w.rows(run) == {"read": 2, "importing": 2}
        assert await w.append(run, "list-1", C, first=2) == 3
        assert (await w.ledger.runs.seal(run, "list-1", w.now)).state == "ready"
        assert await w.append(run, "list-1", D, first=3) == 3
        assert await w.rows(run) == {"read": 3, "queued": 3}

    @clause
    async def test_a_second_line_of_an_address_is_a_duplicate(self, w: World) -> None:
        """Within one batch and across batches; the first line's message stays as it is."""
        run = await w.open()
        await w.ledger.runs.begin_import(run, "list-1", w.now)
        await w.append(run, "list-1", A, B, A)
        await w.append(run, "list-1", B, C, first=3)
        await w.ledger.runs.seal(run, "list-1", w.now)
        assert await w.rows(run) == {"read": 5, "duplicate": 2, "queued": 3}
        ids = await w.ledger.messages.due(run, 10, w.now)
        assert [(v.address, v.line) for v in await w.ledger.reads.messages(ids)] == [(A, 0), (B, 1), (C, 4)]

    @clause
    async def test_an_interrupted_import_goes_on_where_it_was(self, w: World) -> None:
        """Begun again with the same digest, it counts nothing twice."""
        run = await w.open()
        assert (await w.ledger.runs.begin_import(run, "list-1", w.now)).next_line == 0
        await w.append(run, "list-1", A, B)
        resumed = await w.ledger.runs.begin_import(run, "list-1", w.now)
        assert (resumed.next_line, resumed.sealed) == (2, False)
        await w.append(run, "list-1", C, first=2)
        await w.ledger.runs.seal(run, "list-1", w.now)
        assert await w.rows(run) == {"read": 3, "queued": 3}

    @clause
    async def test_a_longer_list_adds_only_what_is_new(self, w: World) -> None:
        """An address with its message from another list is `already`, both of its lines; a message is never touched."""
        run = await w.campaign(A, B)
        [first, _] = await w.claim(*await w.ledger.messages.due(run, 10, w.now))
        await w.settle(first, Cause.PROVIDER_ACCEPTED)
        before = await w.view(first.id)
        w.now += HOUR
        await w.take_in(run, "list-2", A, B, C, A, C)
        assert await w.rows(run) == {"read": 7, "already": 3, "duplicate": 1, "queued": 1, "sending": 1, "sent": 1}
        assert await w.view(first.id) == before

    @clause
    async def test_a_sealed_list_is_answered_and_changes_nothing(self, w: World) -> None:
        """The same list again: sealed, at its end, the campaign goes on as it was."""
        run = await w.campaign(A, B)
        seq = await w.seq()
        known = await w.ledger.runs.begin_import(run, "list-1", w.now)
        assert (known.sealed, known.next_line) == (True, 2)
        assert (await w.ledger.runs.seal(run, "list-1", w.now)).state == "running"
        assert await w.journal(seq) == []

    @clause
    async def test_one_list_at_a_time(self, w: World) -> None:
        """Another list is refused while one is being taken in; a sealed one is answered even then."""
        run = await w.campaign(A)
        await w.ledger.runs.begin_import(run, "list-2", w.now)
        await refuses(w.ledger.runs.begin_import(run, "list-3", w.now))
        assert (await w.ledger.runs.begin_import(run, "list-1", w.now)).sealed
        await w.ledger.runs.seal(run, "list-2", w.now)
        assert not (await w.ledger.runs.begin_import(run, "list-3", w.now)).sealed

    @clause
    async def test_an_import_stops_a_running_campaign_and_resumes_it(self, w: World) -> None:
        """Running and paused campaigns are `importing` meanwhile and then what they were; others become ready."""
        for before, after in (("running", "running"), ("paused", "paused"), ("done", "ready")):
            run = await w.campaign(A, name=before)
            [claimed] = await w.claim(*await w.ledger.messages.due(run, 1, w.now))
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED)
            await w.move(run, before)
            await w.ledger.runs.begin_import(run, "list-2", w.now)
            await w.append(run, "list-2", B)
            assert (await w.run(run)).state == "importing"
            assert run not in [r.id for r in await w.ledger.runnable.runnable(w.now)]
            assert (await w.ledger.runs.seal(run, "list-2", w.now)).state == after

    @clause
    async def test_withdrawing_a_row_of_a_list_that_is_taken_in(self, w: World) -> None:
        """Nothing is counted below zero: the row leaves `importing`, and the rest of its list is queued by the seal."""
        run = await w.open(expires=w.now + HOUR)
        await w.ledger.runs.begin_import(run, "list-1", w.now)
        await w.append(run, "list-1", A, B, C)
        [a, _, _] = await w.ledger.messages.due(run, 10, w.now)
        await w.ledger.messages.cancel([a], "aya", w.now)
        assert await w.rows(run) == {"read": 3, "importing": 2, "cancelled": 1}
        await w.balance()
        w.now += HOUR
        assert await w.ledger.sweeps.expire(1, w.now) == 1
        assert await w.rows(run) == {"read": 3, "importing": 1, "cancelled": 1, "expired": 1}
        await w.balance()
        await w.ledger.runs.seal(run, "list-1", w.now)
        assert await w.rows(run) == {"read": 3, "queued": 1, "cancelled": 1, "expired": 1}

    @clause
    async def test_appending_needs_an_import(self, w: World) -> None:
        """A list that was never begun is `NotFound`, and so is a run that is not there."""
        run = await w.open()
        for attempt in (
            w.append(run, "list-9", A),
            w.ledger.runs.seal(run, "list-9", w.now),
            w.ledger.runs.begin_import(RunId(404), "list-1", w.now),
            w.ledger.runs.move(RunId(404), "running", "aya", w.now),
        ):
            try:
                await attempt
            except NotFound:
                continue
            raise AssertionError("it was found")

    @clause
    async def test_the_moves_of_a_campaign(self, w: World) -> None:
        """From every state to every state: as `MOVES` says, and otherwise refused without a trace."""
        ways = {
            "importing": (),
            "ready": ("seal",),
            "running": ("seal", "running"),
            "paused": ("seal", "running", "paused"),
            "done": ("seal", "running", "done"),
            "cancelled": ("cancelled",),
        }
        for origin, way in ways.items():
            for to in (*ways, "sideways"):
                run = await w.open(f"{origin}-{to}")
                await w.ledger.runs.begin_import(run, "list", w.now)
                for step in way:
                    await (w.ledger.runs.seal(run, "list", w.now) if step == "seal" else w.move(run, step))
                assert (await w.run(run)).state == origin
                if origin in MOVES.get(to, ()):
                    assert (await w.move(run, to)).state == to
                else:
                    await refuses(w.move(run, to))
                    assert (await w.run(run)).state == origin

    @clause
    async def test_streams_are_paused_and_resumed_but_never_end(self, w: World) -> None:
        """A stream has no end: done and cancelled are refused."""
        run = await w.stream()
        assert (await w.move(run, "paused")).state == "paused"
        [waiting] = await w.admit()
        assert await w.claim(waiting) == []
        assert (await w.move(run, "running")).state == "running"
        assert len(await w.claim(waiting)) == 1
        await refuses(w.move(run, "cancelled"))
        await w.ledger.messages.cancel([waiting], "aya", w.now)
        await refuses(w.move(run, "done"))

    @clause
    async def test_todays_policy_counts_for_a_stream(self, w: World) -> None:
        """A stream is made at its first use; later its policy is replaced, and it stays paused if it was."""
        first = await w.ledger.runs.stream("booking", Policy(attempts=3), w.now)
        await w.move(first.id, "paused")
        again = await w.ledger.runs.stream("booking", Policy(attempts=5, kind=Kind.BULK), w.now + HOUR)
        assert (again.id, again.policy.attempts, again.state, again.created) == (first.id, 5, "paused", w.now)

    @clause
    async def test_done_needs_that_nothing_is_open(self, w: World) -> None:
        """Queued, claimed and doubtful messages keep a campaign from being done."""
        run = await w.campaign(A)
        await refuses(w.move(run, "done"))
        [claimed] = await w.claim(*await w.ledger.messages.due(run, 1, w.now))
        await refuses(w.move(run, "done"))
        await w.settle(claimed, Cause.UNCERTAIN)
        await refuses(w.move(run, "done"))
        await w.resolve(claimed.id, Cause.DEADLINE)
        assert (await w.move(run, "done")).state == "done"

    @clause
    async def test_a_done_campaign_runs_again_for_what_a_person_recovers(self, w: World) -> None:
        """What is queued again is claimable again: nothing waits for ever in a campaign that is over."""
        run = await w.campaign(A)
        [claimed] = await w.claim(*await w.ledger.messages.due(run, 1, w.now))
        await w.settle(claimed, Cause.EXHAUSTED)
        await w.move(run, "done")
        assert run not in {known.id for known in await w.ledger.runs.list(live=True)}
        assert run in {known.id for known in await w.ledger.runs.list()}
        assert await w.resolve(claimed.id, Cause.PERSON_RESEND) == [claimed.id]
        assert (await w.run(run)).state == "running"
        assert run in {known.id for known in await w.ledger.runs.list(live=True)}
        assert len(await w.claim(claimed.id)) == 1

    @clause
    async def test_cancelling_a_campaign(self, w: World) -> None:
        """Queued messages are cancelled at once, claimed ones at their check or when they come back, doubts instead
        of being resent; its imports end; nothing of it is ever queued again."""
        run = await w.campaign(A, B, C, D)
        one, two, three = await w.claim(*(await w.ledger.messages.due(run, 3, w.now)))
        await w.settle(three, Cause.UNCERTAIN)
        await w.ledger.runs.begin_import(run, "list-2", w.now)
        await w.append(run, "list-2", "e@example.jp")
        assert (await w.move(run, "cancelled")).state == "cancelled"
        assert await w.rows(run) == {"read": 5, "cancelled": 2, "sending": 2, "in_doubt": 1}
        assert await w.check(one) == {one.id: Cause.CANCELLED}
        await w.settle(one, Cause.CANCELLED)
        await w.settle(two, Cause.EXHAUSTED)
        await w.resolve(three.id, Cause.SILENCE)
        assert await w.resolve(two.id, Cause.PERSON_RESEND) == []
        assert await w.rows(run) == {"read": 5, "cancelled": 4, "dead": 1}
        await refuses(w.ledger.runs.begin_import(run, "list-2", w.now))
        await refuses(w.ledger.runs.begin_import(run, "list-1", w.now))

    @clause
    async def test_pausing_touches_no_message(self, w: World) -> None:
        """The messages of a paused run are as they were; only nobody can claim them."""
        run = await w.campaign(A, B)
        ids = await w.ledger.messages.due(run, 10, w.now)
        before = await w.ledger.reads.messages(ids)
        await w.move(run, "paused")
        w.now += MINUTE
        assert await w.ledger.reads.messages(ids) == before
        assert await w.claim(*ids) == []
        assert await w.ledger.runnable.next_due(w.now) is None

    @clause
    async def test_who_runs_first(self, w: World) -> None:
        """Transactional streams before lists, then by age; only running runs with due work."""
        assert await w.ledger.runnable.next_due(w.now) is None
        await w.campaign(A, name="older")
        w.now += 1
        await w.campaign(A, name="newer")
        w.now += 1
        await w.admit()
        await w.stream("idle")
        assert [r.name for r in await w.ledger.runnable.runnable(w.now)] == ["stream:booking", "older", "newer"]
        assert [r.name for r in await w.ledger.runs.list()][:2] in (
            ["stream:idle", "stream:booking"],
            ["stream:booking", "stream:idle"],
        )
        for run in await w.ledger.runnable.runnable(w.now):
            await w.claim(*await w.ledger.messages.due(run.id, 10, w.now))
        assert await w.ledger.runnable.runnable(w.now) == []
        await w.admit(due=w.now + HOUR)
        assert await w.ledger.runnable.next_due(w.now) == w.now + HOUR

    @clause
    async def test_a_plan_asks_who_is_there(self, w: World) -> None:
        """`present` names the addresses that have a message in this run, whatever became of it."""
        run = await w.campaign(A, B)
        await w.campaign(C, name="another")
        assert await w.ledger.runnable.present(run, [hashed(x) for x in (A, B, C)]) == {hashed(A), hashed(B)}

    @clause
    async def test_what_a_campaign_did_is_in_the_journal(self, w: World) -> None:
        """Opening, imports, acceptance of rows and moves leave their entries, with the rows' ids."""
        run = await w.campaign(A, B)
        await w.move(run, "paused")
        await w.move(run, "paused")
        entries = [e for e in await w.journal() if e.run == run]
        assert [e.kind for e in entries] == [
            "campaign_opened",
            "import_begun",
            "accepted",
            "import_sealed",
            "campaign_running",
            "campaign_paused",
        ]
        paused = await w.ledger.journal.paused(run)
        assert paused is not None and msgspec.structs.replace(paused, seq=entries[-1].seq) == entries[-1]
        assert await w.ledger.journal.paused(RunId(run + 1)) is None
        for id in await w.ledger.messages.due(run, 10, w.now):
            assert named(entries, id) == ["accepted"]
        await w.move(run, "cancelled")
        assert await w.rows(run) == {"read": 2, State.CANCELLED.word: 2}
