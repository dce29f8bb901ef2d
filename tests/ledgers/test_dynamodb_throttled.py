"""A part of a batch is refused until the patience is over: what is known to be claimed is told, or given back."""

from __future__ import annotations

import json
from random import Random

import pytest
from test_dynamodb_lost_replies import Play, played

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.lifecycle import Cause, State
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportRow
from kakitome.testing.ledger_world import LEASE, hashed


def test_claims_that_were_written_are_told_whatever_became_of_others() -> None:
    """Of two mails one is refused until the patience is over: the other one is in the worker's hands, not in doubt."""

    async def play(p: Play) -> None:
        ids = await p.bad.admit("a@example.jp", "b@example.jp")
        p.throttle("PutItem", behind=1)
        [claimed] = await p.bad.claim(*ids)
        [other] = set(ids) - {claimed.id}
        assert await p.good.state(other) is State.QUEUED
        assert await p.good.check(claimed) == {}

    played(play)


@pytest.mark.parametrize("behind", [1, 2])
def test_claims_of_rows_are_told_whatever_is_known_of_others(behind: int) -> None:
    """Another has claimed one of three rows and given it back. What it is now cannot be read, or not what its campaign
    is: the other two are in the worker's hands."""

    async def play(p: Play) -> None:
        run = await p.good.campaign(*(f"{k}@example.jp" for k in range(3)))
        ids = await p.bad.ledger.messages.due(run, 9, p.bad.now)
        [claimed] = await p.good.claim(ids[0], worker="w2")
        await p.good.settle(claimed, Cause.RELEASED, due=p.good.now)
        p.throttle("BatchGetItem", behind=behind)  # behind the campaign, as it was for the two
        assert [one.id for one in await p.bad.claim(*ids)] == ids[1:]
        assert [await p.good.state(id) for id in ids] == [State.QUEUED, State.SENDING, State.SENDING]

    played(play)


def test_claims_without_their_variables_are_given_back() -> None:
    """The claims are written, their large variables cannot be read: nobody has the rows, and they wait."""

    async def play(p: Play) -> None:
        run = await p.good.open()
        await p.good.ledger.rows.expect(run, "list-1", 1, p.good.now)
        large = json.dumps({"text": Random(2).randbytes(600).hex()})
        row = ImportRow(2, "a@example.jp", hashed("a@example.jp"), large)
        await p.good.ledger.rows.take(run, "list-1", [row], None, p.good.now, p.good.now)
        due = await p.bad.ledger.messages.due(run, 9, p.bad.now)
        p.throttle("BatchGetItem", behind=1)  # behind the campaign
        with pytest.raises(LedgerUnavailable):
            await p.bad.claim(*due)
        assert [await p.good.state(id) for id in due] == [State.QUEUED]
        assert [claimed.variables.decode() for claimed in await p.good.claim(*due)] == [large]

    played(play)


def test_rows_that_came_with_a_claim_are_given_back_where_others_did_not_come() -> None:
    """Of two rows one is refused until the patience is over: the other one waits, and both go when they come again."""

    async def play(p: Play) -> None:
        run = await p.bad.open()
        await p.bad.ledger.rows.expect(run, "list-1", 2, p.bad.now)
        rows = [ImportRow(n, to, hashed(to), "{}") for n, to in enumerate(("a@example.jp", "b@example.jp"))]
        mine, theirs = (Claiming(name, "ses", p.bad.now + LEASE) for name in ("w1", "w2"))
        p.throttle("PutItem", behind=3)  # behind the paces, the note, and one row
        with pytest.raises(LedgerUnavailable, match=r"The table is throttled"):
            await p.bad.ledger.rows.take(run, "list-1", rows, mine, p.bad.now, p.bad.now)
        assert await p.good.rows(run) == {"read": 2, "queued": 1, "missing": 1}
        taken = await p.good.ledger.rows.take(run, "list-1", rows, theirs, p.good.now, p.good.now)
        assert sorted(claimed.fence for claimed in taken.claims) == [1, 2]

    played(play)
