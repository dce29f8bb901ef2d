"""Templates, suppressions, journal."""

from __future__ import annotations

from kakitome.core.errors import NotFound
from kakitome.ports.records import Suppression
from kakitome.testing.ledger_world import Clauses, World, clause, hashed


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
