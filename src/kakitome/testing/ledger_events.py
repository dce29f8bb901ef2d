"""Events: any order, any number of times, and whom not to write to any more."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from kakitome.core import delivery
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.ids import message_text
from kakitome.core.lifecycle import Cause, State
from kakitome.core.policy import Horizons
from kakitome.ports.reads import Search
from kakitome.ports.records import Folded, NamedEvent
from kakitome.testing.ledger_world import HOUR, Clauses, World, clause, hashed, named


class Events(Clauses):
    @clause
    async def test_an_event_counts_once(self, w: World) -> None:
        """Repeated in one batch and in later ones: known, and without effect."""
        claimed = await w.one()
        event = w.event(EventKind.DELIVERED, claimed)
        assert await w.fold(event, event) == Folded(1, 1, 0)
        assert await w.fold(event) == Folded(0, 1, 0)
        assert (await w.ledger.reads.delivery(claimed.run))["delivered"] == 1
        assert await w.ledger.events.of(claimed.id) == [event.event]
        assert named(await w.journal(), claimed.id).count("event") == 1

    @clause
    async def test_an_event_may_come_before_the_reply(self, w: World) -> None:
        """It proves the attempt; the reply that follows is written to the attempt and changes nothing else."""
        claimed = await w.one()
        await w.fold(w.event(EventKind.SENT, claimed, provider_message_id="p"))
        assert await w.state(claimed.id) is State.SENT
        assert await w.check(claimed) == {claimed.id: Cause.RELEASED}
        settled = await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")
        assert (settled.moved, settled.stale) == (0, 0)
        view = await w.view(claimed.id)
        assert (view.state, view.copies_possible) == (State.SENT, False)
        [attempt] = await w.attempts(claimed.id)
        assert (attempt.cause, attempt.proved, attempt.provider_id) == (Cause.PROVIDER_ACCEPTED, w.now, "p")

    @clause
    async def test_an_event_waits_for_the_providers_id(self, w: World) -> None:
        """Without our correlation it belongs to nobody until the reply tells the id; then it counts."""
        claimed = await w.one()
        waiting = w.event(EventKind.DELIVERED, provider_message_id="p", recipient=claimed.address)
        assert await w.fold(waiting) == Folded(1, 0, 1)
        assert await w.state(claimed.id) is State.SENDING
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")
        assert await w.ledger.events.of(claimed.id) == [waiting.event]
        assert (await w.ledger.reads.delivery(claimed.run))["delivered"] == 1
        assert (await w.attempts(claimed.id))[0].proved == waiting.event.at

    @clause
    async def test_one_event_may_tell_another_where_it_belongs(self, w: World) -> None:
        """An event with both our correlation and the provider's id makes the id known, in any order with one that has
        only the id."""
        for order in ((0, 1), (1, 0)):
            for together in (True, False):
                claimed = await w.one()
                id = f"p-{claimed.id}"
                both = (
                    w.event(EventKind.SENT, claimed, provider_message_id=id),
                    w.event(EventKind.DELIVERED, provider_message_id=id),
                )
                events = [both[k] for k in order]
                for batch in [events] if together else [[e] for e in events]:
                    await w.fold(*batch)
                assert len(await w.ledger.events.of(claimed.id)) == 2

    @clause
    async def test_a_parcels_events_go_to_their_recipients(self, w: World) -> None:
        """Where several messages share a provider id, the recipient says whose event it is."""
        first, second = await w.claim(*await w.admit("a@example.jp", "b@example.jp"))
        for claimed in (first, second):
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "parcel")
        bounced = w.event(EventKind.DELIVERED, provider_message_id="parcel", recipient="b@example.jp")
        assert (await w.fold(bounced)).unmatched == 0
        assert await w.ledger.events.of(first.id) == []
        assert await w.ledger.events.of(second.id) == [bounced.event]
        stranger = w.event(EventKind.DELIVERED, provider_message_id="parcel", recipient="z@example.jp")
        assert (await w.fold(stranger)).unmatched == 1

    @clause
    async def test_siblings_events_go_to_their_recipients(self, w: World) -> None:
        """Of siblings that went in one request every event names all; it belongs to its recipient's, newest or not, and
        one for nobody of them to nobody."""
        first, second = await w.claim(*await w.admit("a@example.jp", "b@example.jp"))
        both: dict[str, Any] = {
            "message": f"{message_text(first.id)} {message_text(second.id)}",
            "attempt": f"{first.fence} {second.fence}",
        }
        theirs = w.event(EventKind.DELIVERED, recipient="b@example.jp", **both)
        assert (await w.fold(theirs)).unmatched == 0
        assert await w.ledger.events.of(second.id) == [theirs.event]
        assert (await w.state(first.id), await w.state(second.id)) == (State.SENDING, State.SENT)
        for stranger in ("z@example.jp", None):
            lost = w.event(EventKind.DELIVERED, recipient=stranger, **both)
            assert (await w.fold(lost)).unmatched == 1
        uneven = w.event(EventKind.DELIVERED, recipient="a@example.jp", message=both["message"], attempt="1")
        assert (await w.fold(uneven)).unmatched == 1
        assert await w.ledger.events.of(first.id) == []

    @clause
    async def test_no_id_matches_no_id(self, w: World) -> None:
        """An attempt without a provider id and an event without one have nothing to do with each other."""
        claimed = await w.one()
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "")
        assert (await w.fold(w.event(EventKind.DELIVERED, message="nonsense", attempt="x"))).unmatched == 1
        assert await w.ledger.events.of(claimed.id) == []
        assert (await w.attempts(claimed.id))[0].provider_id is None

    @clause
    async def test_folding_does_not_depend_on_order(self, w: World) -> None:
        """Four events in every order, one by one: the same delivery, proof, counters and events."""
        for order in permutations(range(4)):
            claimed = await w.one()
            w.now += 1
            base = w.now
            events = [
                w.event(EventKind.SENT, claimed, at=base + 10),
                w.event(EventKind.DELIVERED, claimed, at=base + 30),
                w.event(EventKind.BOUNCED, claimed, at=base + 20, permanence=Permanence.TRANSIENT, recipient=None),
                w.event(EventKind.DELIVERED, claimed, at=base + 25),
            ]
            for k in order:
                await w.fold(events[k])
            [attempt] = await w.attempts(claimed.id)
            assert attempt.proved == base + 10
            assert [e.at - base for e in await w.ledger.events.of(claimed.id)] == [10, 20, 25, 30]
            told = delivery.decode((await w.view(claimed.id)).delivery)
            assert (told.sent, told.delivered) == (base + 10, base + 25)
            assert told.bounce is not None
        counted = await w.ledger.reads.delivery(claimed.run)
        assert (counted["delivered"], counted["bounced"]) == (24, 24)

    @clause
    async def test_an_unknown_kind_proves_nothing_and_is_kept(self, w: World) -> None:
        """What we do not understand is stored with its message, and changes neither state nor delivery."""
        claimed = await w.one()
        await w.fold(w.event(EventKind.UNKNOWN, claimed))
        assert await w.state(claimed.id) is State.SENDING
        assert len(await w.ledger.events.of(claimed.id)) == 1
        assert (await w.ledger.sweeps.record("ses", w.now, Horizons(), w.now)).latest is None

    @clause
    async def test_delivery_counts_messages_not_events(self, w: World) -> None:
        """A message counts once under each word that is true of it; who clicked has opened and has got it."""
        claimed = await w.one()
        await w.fold(*(w.event(EventKind.CLICKED, claimed, link=f"https://example.jp/{n}") for n in range(3)))
        counted = await w.ledger.reads.delivery(claimed.run)
        assert {name for name, n in counted.items() if n == 1} == {"clicked", "opened", "delivered"}
        await w.fold(w.event(EventKind.COMPLAINED, claimed))
        assert (await w.ledger.reads.delivery(claimed.run))["complained"] == 1
        [found] = await w.ledger.reads.search(Search(run=claimed.run, delivery="complained"))
        assert found.id == claimed.id

    @clause
    async def test_bounces_and_complaints_suppress(self, w: World) -> None:
        """Permanent bounces, complaints, unsubscriptions and the provider's own list; not what may pass."""
        cases: list[tuple[EventKind, dict[str, Any], str | None]] = [
            (EventKind.BOUNCED, {"permanence": Permanence.PERMANENT}, "bounce"),
            (EventKind.BOUNCED, {"permanence": Permanence.TRANSIENT}, None),
            (EventKind.BOUNCED, {"bounce_class": BounceClass.SUPPRESSED}, "provider"),
            (EventKind.COMPLAINED, {"complaint": "abuse"}, "complaint"),
            (EventKind.COMPLAINED, {"complaint": "not-spam"}, None),
            (EventKind.UNSUBSCRIBED, {}, "unsubscribe"),
            (EventKind.DELIVERED, {}, None),
        ]
        for number, (kind, more, reason) in enumerate(cases):
            address = f"{number}@example.jp"
            await w.fold(w.event(kind, recipient=address, **more))
            found = await w.ledger.suppressions.find([hashed(address)])
            assert [s.reason for s in found] == ([] if reason is None else [reason])

    @clause
    async def test_unmatched_events_are_kept_and_suppress(self, w: World) -> None:
        """A bounce of no message of ours still says that the address is dead, and the journal says that it came."""
        event = w.event(EventKind.BOUNCED, permanence=Permanence.PERMANENT, recipient="x@example.jp")
        assert await w.fold(event) == Folded(1, 0, 1)
        [claimed] = await w.claim(*await w.admit("x@example.jp"))
        assert await w.check(claimed) == {claimed.id: Cause.SUPPRESSED}
        assert {"event_unmatched", "suppressed_address"} <= {e.kind for e in await w.journal()}

    @clause
    async def test_an_event_that_was_seen_does_not_suppress_again(self, w: World) -> None:
        """After a person removed the suppression, a repetition of the old event does not bring it back."""
        event = w.event(EventKind.COMPLAINED, recipient="x@example.jp")
        await w.fold(event)
        assert await w.ledger.suppressions.remove(hashed("x@example.jp"), "all", "aya", "asked by telephone", w.now)
        await w.fold(event)
        assert await w.ledger.suppressions.find([hashed("x@example.jp")]) == []

    @clause
    async def test_an_old_attempts_event_belongs_to_it(self, w: World) -> None:
        """An event proves the attempt that it names, not the newest one."""
        old = await w.one()
        await w.settle(old, Cause.DEFERRED, due=w.now)
        newer = await w.again(old)
        await w.settle(newer, Cause.PROVIDER_ACCEPTED, "p-new")
        await w.fold(w.event(EventKind.SENT, newer))
        assert [a.proved for a in await w.attempts(old.id)] == [None, w.now]
        by_id = NamedEvent(
            Event(key="k", kind=EventKind.DELIVERED, at=w.now + HOUR, provider="ses", provider_message_id="p-new"), None
        )
        await w.fold(by_id)
        assert [a.proved for a in await w.attempts(old.id)] == [None, w.now]
        [view] = await w.ledger.reads.search(Search(provider_id="p-new"))
        assert view.id == old.id
