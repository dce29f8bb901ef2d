"""A page may have far more rows than it was made for: its first list was short, and the second is long. Its note must
not grow beyond what an item holds."""

from __future__ import annotations

from test_dynamodb_first_claims import notes_of, readers, waiting

from dynamo_parts import Kill, two_processes
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.ledgers.dynamodb import keys, notes
from kakitome.ledgers.dynamodb.items import image_of
from kakitome.ledgers.dynamodb.marshal import key_of
from kakitome.ledgers.dynamodb.noted import note_item
from kakitome.ledgers.dynamodb.notes import Note, NotedClaim
from kakitome.testing.ledger_world import LEASE, World


async def with_many(kill: Kill, run: RunId) -> None:
    """As if the page had 70,000 rows beside those that are there, all of which speak for themselves."""
    [item] = await kill.table.query(keys.notes(run))
    image = image_of(item)
    rows = (n.to_bytes(6, "big") for n in range(1 << 40, (1 << 40) + 70_000))
    note = notes.unpack(image.body)
    await kill.table.put(note_item(key_of(item), note, note.with_apart(rows)), image.revision, b"12345678")


def test_rows_of_a_note_that_is_full_are_claimed_by_themselves() -> None:
    """Those that it had claimed before stay claimed; the others are claimed, cancelled and ended as any message is."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(6))
        ids = await waiting(a, run)
        [first] = await a.claim(ids[0])
        await with_many(kill, run)
        [note] = await notes_of(kill, run)
        assert note.is_full and len(notes.pack(note)) < notes.MOST_OCTETS
        assert await b.claim(ids[0]) == []
        assert await waiting(b, run) == ids[1:]
        assert [one.fence for one in await b.claim(*ids[1:3])] == [1, 1]
        assert (await notes_of(kill, run))[0].claims == note.claims
        assert await a.claim(*ids[:3]) == []
        assert await a.ledger.messages.cancel([ids[3]], "aya", a.now) == [ids[3]]
        await a.settle(first, Cause.PROVIDER_ACCEPTED)
        b.now += LEASE
        assert await b.ledger.sweeps.lease_over(99, b.now) == 2
        assert [await b.state(id) for id in ids[:2]] == [State.SENT, State.IN_DOUBT]
        assert len(await waiting(b, run)) == 2

    two_processes(story)


def test_a_note_of_a_full_page_is_never_full() -> None:
    """250 rows, and some more by chance, that are claimed one by one, each by another process."""
    note = Note(0, 0)
    for n in range(350):
        note = note.with_claims([NotedClaim(n.to_bytes(8, "big"), n, "w1", "ses", n, "list-1", n.to_bytes(6, "big"))])
    assert not note.is_full
