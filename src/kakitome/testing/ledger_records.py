"""Templates, suppressions, journal."""

from __future__ import annotations

from itertools import permutations

from kakitome.core.errors import NotFound
from kakitome.core.event import EventKind, Permanence
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed
from kakitome.ports.records import NamedEvent, Suppression
from kakitome.testing.ledger_world import DAY, HOUR, Clauses, World, clause, hashed

LIMIT = 5
"""Transient bounces within 30 days that suppress: what a ledger does by default."""


class Records(Clauses):
    @clause
    async def test_a_template_version_never_changes(self, w: World) -> None:
        """The same digest is the newest version again; another is a new one beside it, and both stay readable."""
        put = w.ledger.templates.put
        first = await put("welcome", "d1", b'{"v":1}', w.now)
        assert await put("welcome", "d1", b'{"v":1}', w.now + 5) == first
        second = await put("welcome", "d2", b'{"v":2}', w.now)
        third = await put("welcome", "d1", b'{"v":1}', w.now)
        assert [t.version for t in (first, second, third)] == [1, 2, 3]
        assert len({t.id for t in (first, second, third)}) == 3
        assert await w.ledger.templates.pinned(first.id) == first
        assert await w.ledger.templates.get("welcome") == third
        assert await w.ledger.templates.get("nothing") is None
        other = await put("another", "d1", b"{}", w.now)
        assert list(await w.ledger.templates.list()) == [other, third]
        assert [e.data["version"] for e in await w.journal() if e.kind == "template_put"] == [1, 2, 3, 1]

    @clause
    async def test_a_version_that_is_not_there(self, w: World) -> None:
        """`pinned` raises `NotFound`: a campaign never silently gets another template."""
        try:
            await w.ledger.templates.pinned(77)
        except NotFound:
            return
        raise AssertionError("a version was found that nobody put")

    @clause
    async def test_the_first_reason_stays(self, w: World) -> None:
        """Adding what is there changes nothing and is not counted, within one call as well."""
        assert await w.suppress("a@example.jp", reason="bounce") == 1
        assert await w.suppress("a@example.jp", reason="complaint") == 0
        assert await w.suppress("a@example.jp", scope="stream:news", reason="unsubscribe") == 1
        found = await w.ledger.suppressions.find([hashed("a@example.jp"), hashed("b@example.jp")])
        assert {(s.scope, s.reason, s.at) for s in found} == {
            ("all", "bounce", w.now),
            ("stream:news", "unsubscribe", w.now),
        }
        one = Suppression(hash=5, address="b@example.jp", reason="manual")
        assert await w.ledger.suppressions.add([one, one], w.now) == 1
        assert [e.kind for e in await w.journal()] == ["suppressed_address"] * 3

    @clause
    async def test_a_removal_is_journaled(self, w: World) -> None:
        """Who removed it and why stays in the journal; another scope stays in force; removing nothing is nothing."""
        await w.suppress("a@example.jp")
        await w.suppress("a@example.jp", scope="stream:news")
        remove = w.ledger.suppressions.remove
        assert await remove(hashed("a@example.jp"), "all", "aya", "asked", w.now)
        assert not await remove(hashed("a@example.jp"), "all", "aya", "asked", w.now)
        assert [s.scope for s in await w.ledger.suppressions.find([hashed("a@example.jp")])] == ["stream:news"]
        [entry] = [e for e in await w.journal() if e.kind == "released_address"]
        assert (entry.data["who"], entry.data["note"], entry.data["reason"]) == ("aya", "asked", "bounce")

    @clause
    async def test_suppressions_are_listed_by_address(self, w: World) -> None:
        """Page by page nothing is skipped, also where one address has several scopes."""
        for address in ("c@example.jp", "a@example.jp", "b@example.jp"):
            for scope in ("all", "stream:x", "stream:y"):
                await w.suppress(address, scope=scope)
        seen, after = [], ""
        while page := await w.ledger.suppressions.list(after, 2):
            seen += page
            after = page[-1].address
        assert [s.address[0] for s in seen] == list("aaabbbccc")

    @clause
    async def test_a_removal_is_remembered(self, w: World) -> None:
        """What was removed, by whom and when, page by page; the last removal of a scope counts."""
        for address in ("b@example.jp", "a@example.jp"):
            await w.suppress(address)
            await w.ledger.suppressions.remove(hashed(address), "all", "aya", "asked", w.now)
        await w.suppress("a@example.jp", reason="manual")
        await w.ledger.suppressions.remove(hashed("a@example.jp"), "all", "ken", "again", w.now + 1)
        first = await w.ledger.suppressions.released("", 1)
        assert [(r.was.address, r.was.reason, r.who, r.note, r.at) for r in first] == [
            ("a@example.jp", "manual", "ken", "again", w.now + 1)
        ]
        assert [r.was.address for r in await w.ledger.suppressions.released("a@example.jp", 9)] == ["b@example.jp"]
        assert await w.ledger.suppressions.released_of([hashed("a@example.jp"), hashed("c@example.jp")]) == first

    @clause
    async def test_a_removal_holds_until_something_new(self, w: World) -> None:
        """Neither the event again, nor another kind of news, brings back what was known when a person removed it; a new
        bounce does."""
        old = w.event(EventKind.BOUNCED, permanence=Permanence.PERMANENT)
        await w.fold(old)
        w.now += HOUR
        assert await w.ledger.suppressions.remove(old.hash or 0, "all", "aya", "a new mailbox", w.now)
        w.now += HOUR
        await w.fold(old, w.event(EventKind.RESUBSCRIBED), w.event(EventKind.BOUNCED, permanence=Permanence.TRANSIENT))
        assert await _held(w) == []
        new = w.event(EventKind.BOUNCED, permanence=Permanence.PERMANENT)
        await w.fold(new)
        [s] = await w.ledger.suppressions.find([hashed("aoi@example.jp")])
        assert (s.reason, s.source) == ("bounce", new.event.key)

    @clause
    async def test_unsubscribing_is_for_the_messages_stream(self, w: World) -> None:
        """Where the event belongs to a message, only its stream is left; other streams go on."""
        claimed = await w.one()
        await w.fold(w.event(EventKind.UNSUBSCRIBED, claimed))
        assert await _held(w) == [("stream:booking", "unsubscribe")]
        other = await w.one(run=await w.stream("invoices"))
        assert await w.check(other) == {}
        assert await w.check(await w.one()) != {}

    @clause
    async def test_unsubscribing_before_the_reply_ends_at_the_same(self, w: World) -> None:
        """Of no known message it holds for all; as soon as the message is known, for its stream alone. Removed in
        between, it stays removed."""
        for number, removed in enumerate((False, True)):
            address = f"{number}@example.jp"
            [claimed] = await w.claim(*await w.admit(address))
            await w.fold(w.event(EventKind.UNSUBSCRIBED, provider_message_id=f"p{number}", recipient=address))
            assert await _held(w, address) == [("all", "unsubscribe")]
            if removed:
                await w.ledger.suppressions.remove(hashed(address), "all", "aya", "asked", w.now)
            w.now += 1
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p{number}")
            assert await _held(w, address) == ([] if removed else [("stream:booking", "unsubscribe")])

    @clause
    async def test_coming_back_ends_only_an_unsubscription(self, w: World) -> None:
        """Of the same scope, whatever the order; a bounce, a complaint, and a person's word stay."""
        for number, order in enumerate(permutations(range(3))):
            address = f"{number}@example.jp"
            events = [
                w.event(EventKind.UNSUBSCRIBED, at=w.now, recipient=address),
                w.event(EventKind.RESUBSCRIBED, at=w.now + 1, recipient=address),
                w.event(EventKind.BOUNCED, permanence=Permanence.PERMANENT, recipient=address),
            ]
            for k in order:
                await w.fold(events[k])
            assert await _held(w, address) == [("all", "bounce")]
        await w.suppress("m@example.jp", reason="manual")
        await w.suppress("n@example.jp", reason="unsubscribe")
        for address in ("m@example.jp", "n@example.jp"):
            await w.fold(w.event(EventKind.RESUBSCRIBED, at=w.now + HOUR, recipient=address))
        assert await _held(w, "m@example.jp") == [("all", "manual")]
        assert await _held(w, "n@example.jp") == []

    @clause
    async def test_transient_bounces_count_up(self, w: World) -> None:
        """So many messages within the window, in any order; neither repeated bounces of one message nor what lies
        further apart."""
        for number, backwards in enumerate((False, True)):
            near, apart, one = (f"{name}{number}@example.jp" for name in ("near", "apart", "one"))
            bounces = [_bounce(w, claimed, n * DAY) for n, claimed in enumerate(await _sent(w, near))]
            spread = [_bounce(w, claimed, n * 8 * DAY) for n, claimed in enumerate(await _sent(w, apart))]
            [single, *_] = await _sent(w, one)
            repeated = [_bounce(w, single, n * HOUR) for n in range(2 * LIMIT)]
            for event in reversed(bounces) if backwards else bounces:
                assert await _held(w, near) == []
                await w.fold(event, event)
            await w.fold(*spread, *repeated)
            assert await _held(w, near) == [("all", "transient")]
            assert (await _held(w, apart), await _held(w, one)) == ([], [])
            [s] = await w.ledger.suppressions.find([hashed(near)])
            assert s.note.startswith(f"{LIMIT} messages came back")
            assert s.source == bounces[-1].event.key

    @clause
    async def test_the_journal_is_read_in_order(self, w: World) -> None:
        """Behind a cursor, in the order of writing, at most n; `of` has what is about one message."""
        await w.ledger.journal.note("started", {"version": "1", "kind": "x"}, w.now)
        [id] = await w.admit()
        claimed = (await w.claim(id))[0]
        await w.ledger.messages.cancel([id], "aya", w.now)
        entries = await w.journal()
        assert [e.seq for e in entries] == sorted({e.seq for e in entries})
        assert entries[0].data == {"version": "1", "kind": "x"}
        assert await w.ledger.journal.read(entries[1].seq, 1) == [entries[2]]
        assert await w.ledger.journal.read(entries[-1].seq, 10) == []
        assert [e.kind for e in await w.ledger.journal.of(claimed.id)] == ["cancelled"]

    @clause
    async def test_the_hash_key_stays(self, w: World) -> None:
        """The key for address hashes is there from the beginning and never changes."""
        key = await w.ledger.reads.hash_key()
        assert len(key) >= 32
        assert await w.ledger.reads.hash_key() == key


async def _held(w: World, address: str = "aoi@example.jp") -> list[tuple[str, str]]:
    return sorted((s.scope, s.reason) for s in await w.ledger.suppressions.find([hashed(address)]))


async def _sent(w: World, address: str) -> list[Claimed]:
    return [claimed for _ in range(LIMIT) for claimed in await w.claim(*await w.admit(address))]


def _bounce(w: World, claimed: Claimed, later: int) -> NamedEvent:
    return w.event(EventKind.BOUNCED, claimed, at=w.now + later, permanence=Permanence.TRANSIENT)
