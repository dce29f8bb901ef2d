"""Accepting: order, idempotency, what is refused."""

from __future__ import annotations

from kakitome.core.errors import IdempotencyConflict, NotFound
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import State
from kakitome.core.message import Admitted
from kakitome.ports.reads import Search
from kakitome.testing.ledger_world import DAY, HOUR, Clauses, World, clause, hashed, named


class Admission(Clauses):
    @clause
    async def test_a_message_for_each_recipient_in_order(self, w: World) -> None:
        """A submission becomes one queued message per envelope recipient, in the order given."""
        ids = await w.admit("a@example.jp", "b@example.jp", "c@example.jp", reference="order-7")
        views = await w.ledger.reads.messages(ids)
        assert [view.address for view in views] == ["a@example.jp", "b@example.jp", "c@example.jp"]
        assert {(v.state, v.attempts, v.fence, v.due, v.reference) for v in views} == {
            (State.QUEUED, 0, 0, w.now, "order-7")
        }
        assert views[0].submission is not None
        assert await w.ledger.reads.submission(views[0].submission) == views
        assert await w.ledger.messages.contents([views[0].submission]) == {views[0].submission: b'{"subject":"Hello"}'}

    @clause
    async def test_each_submission_succeeds_or_fails_by_itself(self, w: World) -> None:
        """An unknown run and a conflicting key are answered in their places; their neighbours are stored."""
        run = await w.stream()
        batch = [
            w.submission(run, key="k1", body_hash="x", key_until=w.now + DAY),
            w.submission(RunId(12345)),
            w.submission(run, key="k1", body_hash="y", key_until=w.now + DAY),
            w.submission(run),
        ]
        first, lost, conflict, last = await w.ledger.messages.admit(batch, w.now)
        assert isinstance(first, Admitted)
        assert isinstance(last, Admitted)
        assert isinstance(lost, NotFound)
        assert isinstance(conflict, IdempotencyConflict)
        assert await w.rows(run) == {"read": 2, "queued": 2}

    @clause
    async def test_the_same_key_and_body_are_the_same_message(self, w: World) -> None:
        """Asking again gives the first ids and stores nothing, also in one batch and after the message moved on."""
        run = await w.stream()
        asked = w.submission(run, "a@example.jp", "b@example.jp", key="k", body_hash="x", key_until=w.now + DAY)
        first, twin = await w.ledger.messages.admit([asked, asked], w.now)
        assert isinstance(first, Admitted)
        assert isinstance(twin, Admitted)
        assert (first.fresh, twin.fresh) == (True, False)
        await w.claim(*first.messages)
        w.now += DAY - 1
        [again] = await w.ledger.messages.admit([asked], w.now)
        assert isinstance(again, Admitted)
        assert (again.submission, again.messages, again.fresh) == (first.submission, first.messages, False)
        assert (await w.rows(run))["read"] == 2

    @clause
    async def test_a_key_is_forgotten_at_its_time(self, w: World) -> None:
        """At `key_until` the key means nothing any more: the same body is a new mail, another body no conflict."""
        run = await w.stream()
        old = w.submission(run, key="k", body_hash="x", key_until=w.now + HOUR)
        await w.ledger.messages.admit([old], w.now)
        w.now += HOUR
        other = w.submission(run, key="k", body_hash="y", key_until=w.now + HOUR)
        [admitted] = await w.ledger.messages.admit([other], w.now)
        assert isinstance(admitted, Admitted)
        assert admitted.fresh

    @clause
    async def test_without_a_key_every_submission_is_new(self, w: World) -> None:
        """Two submissions without keys are two mails, also where all else is equal."""
        run = await w.stream()
        one, two = await w.ledger.messages.admit([w.submission(run), w.submission(run)], w.now)
        assert isinstance(one, Admitted)
        assert isinstance(two, Admitted)
        assert set(one.messages).isdisjoint(two.messages)

    @clause
    async def test_ids_only_rise_also_when_the_clock_goes_back(self, w: World) -> None:
        """No id is ever given twice: not within a millisecond, and not after the clock went back an hour."""
        given = []
        for jump in (0, 0, -HOUR, 2 * HOUR, -2 * HOUR):
            w.now += jump
            given += await w.admit("a@example.jp", "b@example.jp")
        assert given == sorted(set(given))

    @clause
    async def test_the_accepted_mail_is_in_the_journal(self, w: World) -> None:
        """The entry of the acceptance is there when `admit` returns, and names every message."""
        ids = await w.admit("a@example.jp", "b@example.jp")
        assert [named(await w.journal(), id) for id in ids] == [["accepted"], ["accepted"]]

    @clause
    async def test_search_finds_by_what_is_known(self, w: World) -> None:
        """Reference, address hash, run, state and page narrow the search; all that is set must hold. Not every ledger
        finds by a reference, a delivery or a final state without the run."""
        run = await w.stream()
        await w.admit("a@example.jp", "b@example.jp", reference="r1")
        [third] = await w.admit("a@example.jp", reference="r2")

        async def found(**terms: object) -> list[str | None]:
            return [v.address for v in await w.ledger.reads.search(Search(**terms))]  # type: ignore[arg-type]

        assert await found(reference="r1", run=run) == ["a@example.jp", "b@example.jp"]
        assert await found(hash=hashed("a@example.jp"), run=run) == ["a@example.jp", "a@example.jp"]
        assert await found(hash=hashed("a@example.jp"), reference="r2") == ["a@example.jp"]
        assert await found(states=(State.SENT, State.FAILED), run=run) == []
        assert await found(states=(State.QUEUED,), n=2) == ["a@example.jp", "b@example.jp"]
        assert await found(after=third, run=run) == []
        assert await found(run=run, n=2) == (await found(run=run))[:2]
