"""What a lost reply to a conditional write leaves, at the ledger's ports: the sentences of docs/guarantees.md.

Of two processes one has the bad way; while it waits to ask again, the other one may do something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest
from test_dynamodb_losses import Patient

from dynamo_rig import REGION, SECRETS, emulated, fresh
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Admitted
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.line import ATTEMPTS, Line
from kakitome.ledgers.dynamodb.table import Table
from kakitome.ports.accounts import Limits, Wanted
from kakitome.ports.messages import Settled
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import HOUR, LEASE, World, hashed
from lossy import Loss, Lossy


class Waiting(Patient):
    """Time in which another does something, once."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()


class Play:
    """`bad` loses replies, `good` does not."""

    def __init__(self, bad: World, good: World, way: Lossy, clock: Waiting) -> None:
        self.bad, self.good, self.way, self.clock = bad, good, way, clock

    def lose(self, operation: str = "PutItem", meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """The reply to the next such request, and what happens before it is asked again."""
        self.way.lose(operation, Loss.REPLY)
        self.clock.meanwhile = meanwhile

    def throttle(self, operation: str, behind: int) -> None:
        """Behind so many such requests one is refused, as often as it is asked again."""
        self.way.lose(operation, Loss.THROTTLED, *range(behind + 1, behind + 1 + ATTEMPTS))

    def lose_all(self, operation: str = "PutItem") -> None:
        self.way.lose(operation, Loss.REPLY, *range(1, ATTEMPTS + 1))


def played(play: Callable[[Play], Awaitable[None]]) -> None:
    async def run() -> None:
        clock, good = Waiting(), fresh()
        async with Lossy(emulated()) as way:
            line = Line(REGION, way.url, clock, Random(1), keys=SECRETS)
            ledgers = [await DynamoLedger.open(table) for table in (Table(good.name, line), good)]
            bad, other = map(World, ledgers)
            try:
                await play(Play(bad, other, way, clock))
                assert way.lost and clock.meanwhile is None
                await other.balance()
            finally:
                for ledger in ledgers:
                    await ledger.close()

    asyncio.run(run())


def test_a_claim_whose_reply_was_lost_is_told() -> None:
    """Asked for again it is known by its token: one attempt, one fence."""

    async def play(p: Play) -> None:
        [id] = await p.bad.admit()
        p.lose()
        [claimed] = await p.bad.claim(id)
        assert claimed.fence == 1
        assert len(await p.good.attempts(id)) == 1

    played(play)


def test_a_claim_of_rows_whose_reply_was_lost_is_told() -> None:
    """It is in their page's note, and before it is asked again another claims one more of the page: each is told its
    own, once."""

    async def play(p: Play) -> None:
        run = await p.good.campaign(*(f"{k}@example.jp" for k in range(4)))
        ids = await p.bad.ledger.messages.due(run, 9, p.bad.now)

        async def another() -> None:
            assert [one.id for one in await p.good.claim(ids[3], worker="w2")] == [ids[3]]

        p.lose(meanwhile=another)
        assert [one.id for one in await p.bad.claim(*ids[:3])] == ids[:3]
        assert await p.good.rows(run) == {"read": 4, "sending": 4}
        assert [len(await p.good.attempts(id)) for id in ids] == [1, 1, 1, 1]

    played(play)


def test_a_claim_that_nobody_was_told_of_ends_with_its_lease() -> None:
    """All replies are lost: the worker hears that the ledger is down and sends nothing; nobody else gets the mail."""

    async def play(p: Play) -> None:
        [id] = await p.bad.admit()
        p.lose_all()
        with pytest.raises(LedgerUnavailable, match="may have been done or not"):
            await p.bad.claim(id)
        assert await p.good.claim(id) == []
        assert await p.good.state(id) is State.SENDING
        p.good.now += LEASE
        assert await p.good.ledger.sweeps.lease_over(9, p.good.now) == 1
        assert await p.good.state(id) is State.IN_DOUBT

    played(play)


def test_a_claim_that_was_written_over_is_not_handed_out() -> None:
    """Before it is asked again the claim is taken away: the worker gets nothing, and sends nothing."""

    async def play(p: Play) -> None:
        [id] = await p.bad.admit()

        async def ends() -> None:
            assert await p.good.ledger.sweeps.lease_over(9, p.good.now + LEASE) == 1

        p.lose(meanwhile=ends)
        assert await p.bad.claim(id) == []
        assert await p.good.state(id) is State.IN_DOUBT
        assert len(await p.good.attempts(id)) == 1

    played(play)


def test_an_outcome_that_was_written_over_is_kept() -> None:
    """A refusal is written, and before it is asked again another has claimed anew: the newer claim stands, and the
    journal has the outcome twice."""

    async def play(p: Play) -> None:
        claimed = await p.bad.one()

        async def anew() -> None:
            await p.good.again(claimed)

        p.lose(meanwhile=anew)
        assert await p.bad.settle(claimed, Cause.DEFERRED, due=p.bad.now) == Settled(0, 1)
        first, second = await p.good.attempts(claimed.id)
        assert (first.cause, second.cause) == (Cause.DEFERRED, None)
        assert await p.good.state(claimed.id) is State.SENDING
        kinds = [entry.kind for entry in await p.good.journal() if entry.message == claimed.id]
        assert kinds == [Cause.DEFERRED, Cause.DEFERRED]

    played(play)


def test_slots_that_nobody_was_told_of_are_not_used() -> None:
    """A grant is written, and another's after it: it is granted again, later, and its first slots pass unused."""

    async def play(p: Play) -> None:
        wanted = Wanted(account="tokyo", lane="ses", limits=Limits(14.0, 100), count=1)
        theirs: list[float] = []

        async def granted() -> None:
            theirs.append((await p.good.ledger.accounts.slots(wanted, p.good.now)).begin)

        p.lose(meanwhile=granted)
        mine = await p.bad.ledger.accounts.slots(wanted, p.bad.now)
        assert mine.begin > theirs[0] > p.good.now

    played(play)


def test_a_suppression_that_was_written_over_stands_again() -> None:
    """It is written, taken back by a person, and asked for again: who says last that nobody must write is believed."""

    async def play(p: Play) -> None:
        async def taken_back() -> None:
            hash = hashed("a@example.jp")
            assert await p.good.ledger.suppressions.remove(hash, "all", "aya", "asked", p.good.now)

        p.lose(meanwhile=taken_back)
        assert await p.bad.suppress("a@example.jp") == 1
        assert len(await p.good.ledger.suppressions.find([hashed("a@example.jp")])) == 1

    played(play)


@pytest.mark.parametrize("operation", ["PutItem", "TransactWriteItems"])
def test_a_mail_whose_caller_was_told_nothing(operation: str) -> None:
    """With a key it is asked for again and has its first ids; without one it is a second mail."""

    async def play(p: Play) -> None:
        run = await p.bad.stream()
        key = {"key": "k", "body_hash": "h", "key_until": p.bad.now + HOUR}
        new = p.bad.submission(run, "a@example.jp", "b@example.jp", **key)
        p.lose_all(operation)
        with pytest.raises(LedgerUnavailable):
            await p.bad.ledger.messages.admit([new], p.bad.now)
        [first] = await p.good.ledger.messages.admit([new], p.good.now)
        [again] = await p.bad.ledger.messages.admit([new], p.bad.now)
        assert isinstance(first, Admitted) and isinstance(again, Admitted)
        assert again.messages == first.messages
        assert await p.good.rows(run) == {"read": 2, "queued": 2}

    played(play)


def test_rows_whose_taker_was_told_nothing_come_once() -> None:
    """All replies are lost; whoever brings the rows again finds them there, in nobody's hands but the first one's."""

    async def play(p: Play) -> None:
        run = await p.bad.open()
        await p.bad.ledger.rows.expect(run, "list-1", 2, p.bad.now)
        rows = [ImportRow(n, to, hashed(to), "{}") for n, to in enumerate(("a@example.jp", "b@example.jp"))]
        p.lose_all()
        with pytest.raises(LedgerUnavailable):
            await p.bad.ledger.rows.take(run, "list-1", rows, None, p.bad.now, p.bad.now)
        taken = await p.good.ledger.rows.take(run, "list-1", rows, None, p.good.now, p.good.now)
        assert (taken.fresh, taken.duplicate, taken.already) == (2, 0, 0)
        assert await p.good.ledger.rows.close(run, "list-1", p.good.now) == 0
        assert await p.good.rows(run) == {"read": 2, "queued": 2}

    played(play)


def test_an_import_whose_reply_was_lost_counts_once() -> None:
    """The rows are there and the count is written; the same batch again counts nothing."""

    async def play(p: Play) -> None:
        run = await p.bad.open()
        await p.bad.ledger.runs.begin_import(run, "list-1", p.bad.now)
        p.lose_all()
        with pytest.raises(LedgerUnavailable):
            await p.bad.append(run, "list-1", "a@example.jp", "b@example.jp", "a@example.jp", invalid=1)
        for w in (p.good, p.bad):
            await w.append(run, "list-1", "a@example.jp", "b@example.jp", "a@example.jp", invalid=1)
        rows = await p.good.rows(run)
        assert rows == {"read": 4, "importing": 2, "duplicate": 1, "invalid": 1}

    played(play)


def test_a_batch_that_was_written_over_counts_once() -> None:
    """The count is written, and another has gone on with the next lines before it is asked again."""

    async def play(p: Play) -> None:
        run = await p.bad.open()
        await p.bad.ledger.runs.begin_import(run, "list-1", p.bad.now)
        line = await p.bad.append(run, "list-1", "a@example.jp", invalid=1)

        async def goes_on() -> None:
            await p.good.append(run, "list-1", "c@example.jp", first=line + 2, invalid=1)

        p.way.lose("PutItem", Loss.REPLY, 2)  # the first one is the row
        p.clock.meanwhile = goes_on
        assert await p.bad.append(run, "list-1", "b@example.jp", first=line, invalid=1) == line + 4
        assert await p.good.rows(run) == {"read": 6, "importing": 3, "invalid": 3}

    played(play)
