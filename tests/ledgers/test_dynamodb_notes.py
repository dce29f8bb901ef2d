"""Notes about pages: whoever puts rows on one, or claims them, may be slow, and no row is out of everybody's sight."""

from __future__ import annotations

from dynamo_parts import Kill, two_processes
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Claimed
from kakitome.ledgers.dynamodb import keys
from kakitome.ports.reads import Search
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import DAY, HOUR, LEASE, MINUTE, World, hashed


async def is_ended(w: World, since: int) -> bool:
    """Whether the sweeper ends a claim of that time within a day."""
    for later in range(0, DAY, 15 * MINUTE):
        if await w.ledger.sweeps.lease_over(9, since + later):
            return True
    return False


def test_a_claim_that_a_clock_ahead_looks_past_is_ended() -> None:
    """Just before a claim is written another process, an hour ahead, looks for claims that are over: there is none. The
    worker dies with its claim: by the right clock it is ended all the same."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign("a@example.jp", "b@example.jp")
        [one, _] = await a.ledger.messages.due(run, 2, a.now)

        async def ahead() -> None:
            assert await b.ledger.sweeps.lease_over(9, b.now + HOUR) == 0

        kill.before(0, ahead)
        assert len(await a.claim(one)) == 1
        assert kill.left is None
        assert await b.state(one) is State.SENDING
        assert await b.ledger.sweeps.lease_over(9, b.now + LEASE - 1) == 0
        assert await is_ended(b, b.now)
        assert await b.state(one) is State.IN_DOUBT

    two_processes(story)


def test_rows_that_come_with_a_claim_late_are_ended() -> None:
    """A child has named its rows, stands still until their lease is over, puts them there, and dies."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.open()
        await a.ledger.rows.expect(run, "list-1", 1, a.now)

        async def later() -> None:
            assert await b.ledger.sweeps.lease_over(9, b.now + LEASE) == 0

        kill.before(2, later)  # behind the run's paces, and the note
        row = ImportRow(2, "a@example.jp", hashed("a@example.jp"), "{}")
        taken = await a.ledger.rows.take(run, "list-1", [row], Claiming("w1", "ses", a.now + LEASE), a.now, a.now)
        assert kill.left is None
        assert await is_ended(b, b.now + LEASE)
        assert await b.state(taken.claims[0].id) is State.IN_DOUBT

    two_processes(story)


def test_a_row_that_comes_when_its_campaign_is_cancelled_is_withdrawn() -> None:
    """Whoever takes a list in stands still before its row; the campaign is cancelled, and swept. Then the row comes."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.open()
        await a.ledger.runs.begin_import(run, "list-1", a.now)

        async def cancel() -> None:
            await b.move(run, "cancelled")
            assert await b.ledger.sweeps.expire(9, b.now) == 0

        kill.before(2, cancel)  # behind the run's page bits, and the note
        await a.append(run, "list-1", "a@example.jp")
        assert kill.left is None
        assert await b.rows(run) == {"read": 1, "queued": 1}
        await b.ledger.sweeps.expire(9, b.now)
        assert await b.rows(run) == {"read": 1, "cancelled": 1}

    two_processes(story)


def test_a_page_without_claims_is_looked_at_more_and_more_seldom() -> None:
    """One row was claimed and its claim is over, another one waits for a day: its page is not read every minute."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.campaign("a@example.jp", "b@example.jp")
        [one, _] = await a.ledger.messages.due(run, 2, a.now)
        [claimed] = await a.claim(one)
        await a.settle(claimed, Cause.PROVIDER_ACCEPTED)
        reads = kill.table.meter.calls
        asked = []
        for later in range(120):
            before = reads["query"]
            await b.ledger.sweeps.lease_over(9, b.now + LEASE + later * MINUTE)
            asked.append(reads["query"] - before)
        assert 1 <= sum(n > min(asked) for n in asked) <= 6

    two_processes(story)


def test_a_page_waits_for_all_lists_that_put_rows_there() -> None:
    """One process stands still before it says that rows of a list come; others take in that list and the next one. When
    it goes on it hides no row of the next one, though its own list is closed."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.open()
        await a.ledger.runs.begin_import(run, "list-1", a.now)

        async def gone() -> None:
            views = await b.ledger.reads.search(Search(run=run))
            await b.ledger.messages.cancel([view.id for view in views], "aya", b.now)

        async def meanwhile() -> None:
            await b.append(run, "list-1", "a@example.jp")
            await b.ledger.runs.seal(run, "list-1", b.now)
            await b.move(run, "running")
            await b.ledger.runs.begin_import(run, "list-2", b.now)
            lines.append(await b.append(run, "list-2", "b@example.jp"))
            await gone()

        lines: list[int] = []
        kill.before(1, meanwhile)  # behind the run's page bits
        await a.append(run, "list-1", "a@example.jp")
        assert (await a.ledger.lookout.count([run], a.now))[run].waiting == 0
        await b.append(run, "list-2", "c@example.jp", first=lines[0])
        await b.ledger.runs.seal(run, "list-2", b.now)
        assert len(await b.ledger.messages.due(run, 9, b.now)) == 1

    two_processes(story)


async def taken(a: World, run: RunId, n: int) -> list[Claimed]:
    """Rows that come by themselves, each with its claim, as from children with one row."""
    await a.ledger.rows.expect(run, "list-1", n + 1, a.now)
    await a.move(run, "running")
    rows = [ImportRow(k, f"{k:03}@example.jp", hashed(f"{k:03}@example.jp"), "{}") for k in range(n)]
    claiming = Claiming("w1", "ses", a.now + LEASE)
    said = [await a.ledger.rows.take(run, "list-1", [row], claiming, a.now, a.now) for row in rows]
    return [one.claims[0] for one in said]


def test_notes_of_single_rows_are_read_together() -> None:
    """Forty children with a row each: who looks for work, or for leases that are over, makes no request for each."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.open()
        await taken(a, run, 40)
        calls = kill.table.meter.calls
        before = sum(calls.values())
        await b.ledger.runnable.runnable(b.now)
        assert await b.ledger.sweeps.lease_over(99, b.now + LEASE - 1) == 0
        assert sum(calls.values()) - before < 40
        assert await b.ledger.sweeps.lease_over(99, b.now + LEASE) == 40

    two_processes(story)


def test_a_note_whose_rows_all_went_is_thrown_away() -> None:
    """While their list still comes in: of two that went nothing is looked at again, the third's claim is ended."""

    async def story(a: World, b: World, kill: Kill) -> None:
        run = await a.open()
        *went, left = await taken(a, run, 3)
        for claimed in went:
            await a.settle(claimed, Cause.PROVIDER_ACCEPTED)
        assert len(await kill.table.query(keys.notes(run))) == 3
        assert await b.ledger.runnable.runnable(b.now) == []
        assert len(await kill.table.query(keys.notes(run))) == 1
        assert await b.ledger.sweeps.lease_over(9, b.now + LEASE) == 1
        assert await b.state(left.id) is State.IN_DOUBT

    two_processes(story)
