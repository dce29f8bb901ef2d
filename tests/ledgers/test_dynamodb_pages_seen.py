"""Rows that were seen waiting are remembered; what became of them since then their notes say.

Two processes: what one remembers the other changes.
"""

from __future__ import annotations

from test_dynamodb_first_claims import notes_of, readers, waiting

from dynamo_parts import Kill, two_processes
from kakitome.core.lifecycle import Cause
from kakitome.testing.ledger_world import World


def test_who_looks_again_reads_no_page() -> None:
    """The first look reads one; the next ones ask its note, as long as something waits there."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(5))
        calls, asked = kill.table.meter.calls, []
        for n in range(6):
            before = calls["query"]
            ids = await waiting(a, run)
            asked.append(calls["query"] - before)
            assert len(ids) == 5 - n
            assert len(await a.claim(*ids[:1])) == len(ids[:1])
        # Each look asks the index and the notes; where nothing is known, or nothing left, also the page.
        assert asked[0] == asked[5] == asked[1] + 1
        assert set(asked[1:5]) == {asked[1]}

    two_processes(story)


def test_what_another_process_did_with_them_is_seen() -> None:
    """One is claimed, one cancelled, one sent and gone; the others wait."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(6))
        ids = await waiting(a, run)
        await b.claim(ids[0])
        await b.ledger.messages.cancel([ids[1]], "aya", b.now)
        [claimed] = await b.claim(ids[2])
        await b.settle(claimed, Cause.PROVIDER_ACCEPTED)
        assert await waiting(a, run) == ids[3:]
        assert [one.id for one in await a.claim(*ids)] == ids[3:]

    two_processes(story)


def test_rows_of_another_list_are_found_beside_them() -> None:
    """They come onto the same page, while its first rows still wait."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(3))
        assert len(await waiting(a, run)) == 3
        await b.take_in(run, "list-2", "new@example.jp")
        assert len(await waiting(a, run)) == 4

    two_processes(story)


def test_rows_that_a_list_still_brings_are_found() -> None:
    """Of a list that comes in while the campaign runs nothing is taken for all there is."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign("old@example.jp")
        await b.ledger.runs.begin_import(run, "list-2", b.now)
        line = await b.append(run, "list-2", *readers(2))
        assert len(await waiting(a, run)) == 3
        await b.append(run, "list-2", *readers(4)[2:], first=line)
        assert len(await waiting(a, run)) == 5
        await b.ledger.runs.seal(run, "list-2", b.now)

    two_processes(story)


def test_a_page_is_read_again_when_its_rows_are_forgotten() -> None:
    """What a process remembers of messages has an end, at which the oldest go."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign(*readers(3))
        ids = await waiting(a, run)
        a.ledger.messages._desk._seen.pop(ids[1])  # type: ignore[attr-defined]
        assert await waiting(a, run) == ids
        assert len(await notes_of(kill, run)) == 1

    two_processes(story)
