"""Rows with large variables: these are paid once, and not with each write of their row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from dynamo_parts import all_items
from dynamo_rig import REGION, SECRETS, emulated, fresh
from dynamo_scale import Scale
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.event import EventKind
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed
from kakitome.hosts.clock import SystemClock
from kakitome.ledgers.dynamodb.apart import LARGE, POINTER
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.dynamodb.squeeze import squeezed
from kakitome.ports.rows import Claiming
from kakitome.ports.runs import ImportBatch, ImportRow
from kakitome.testing.ledger_world import HOUR, World, hashed

ROWS = 20
AROUND = 3
"""Writes of a step that are for all of its rows together: notes, the run."""

Play = Callable[[World, Scale], Awaitable[None]]


def rows(octets: int, n: int = ROWS, seed: int = 1) -> list[ImportRow]:
    """With variables of so many octets that hardly anything can be squeezed out of."""
    random, to = Random(seed), [f"{k}@example.jp" for k in range(n)]
    given = [json.dumps({"n": k, "text": random.randbytes(octets // 2).hex()}) for k in range(n)]
    return [ImportRow(k, to[k], hashed(to[k]), given[k]) for k in range(n)]


def on_a_scale(play: Play) -> None:
    async def run() -> None:
        table, scale = fresh(), Scale(REGION, emulated(), SystemClock(), Random(1), keys=SECRETS)
        await table.line.close()
        table.line = scale
        ledger = await DynamoLedger.open(table)
        try:
            await play(World(ledger), scale)
        finally:
            await ledger.close()

    asyncio.run(run())


async def imported(w: World, list_: list[ImportRow]) -> RunId:
    run, runs = await w.open(), w.ledger.runs
    await runs.begin_import(run, "list", w.now)
    batch = ImportBatch(first_line=0, next_line=len(list_), rows=tuple(list_))
    await runs.append(run, "list", batch, w.now, w.now)
    await runs.append(run, "list", batch, w.now, w.now)  # whoever was cut off repeats it
    await runs.seal(run, "list", w.now)
    await w.move(run, "running")
    return run


def given(list_: list[ImportRow]) -> dict[str, bytes]:
    return {row.address: row.variables.encode() for row in list_}


def claimed(claims: list[Claimed]) -> dict[str, bytes]:
    return {one.address: one.variables for one in claims}


def test_each_later_write_of_a_row_with_large_variables_is_one_unit() -> None:
    """2 KB of them: claim, outcome and two events take a unit each, as of a row with few; and each claim has them
    whole, the second one, too."""

    async def play(w: World, scale: Scale) -> None:
        many = rows(2_000)
        run = await imported(w, many)

        async def units(step: Awaitable[object]) -> float:
            before = scale.written["table"]
            await step
            return scale.written["table"] - before

        claims: list[Claimed] = []

        async def claim() -> None:
            claims[:] = await w.claim(*(await w.ledger.messages.due(run, ROWS, w.now)))

        async def settle(cause: Cause, due: int | None = None) -> None:
            for one in claims:
                await w.settle(one, cause, due=due)

        assert await units(claim()) <= ROWS + AROUND
        assert claimed(claims) == given(many)
        assert await units(settle(Cause.DEFERRED, due=w.now)) <= ROWS + AROUND
        assert await units(claim()) <= ROWS + AROUND
        assert claimed(claims) == given(many)
        assert await units(settle(Cause.PROVIDER_ACCEPTED)) <= ROWS + AROUND
        for kind in (EventKind.SENT, EventKind.DELIVERED):
            assert await units(w.fold(*(w.event(kind, one) for one in claims))) <= ROWS + AROUND

    on_a_scale(play)


def test_a_row_that_comes_with_its_claim_has_its_variables() -> None:
    """In the answer to whoever brings it, and to whoever brings it again; each list keeps its own."""

    async def play(w: World, _: Scale) -> None:
        many, run = rows(2_000), await w.open()
        claiming = Claiming(worker="w", lane="lane", lease=w.now + HOUR)
        await w.ledger.rows.expect(run, "list", ROWS, w.now)
        await w.move(run, "running")
        first = await w.ledger.rows.take(run, "list", many[:2], None, w.now, w.now)
        assert first.claims == ()
        taken = await w.ledger.rows.take(run, "list", many, claiming, w.now, w.now)
        assert claimed(list(taken.claims)) == given(many)

    on_a_scale(play)


def test_another_list_does_not_change_the_variables_of_a_row() -> None:
    """Its row of the same address is one too many, whatever it says."""

    async def play(w: World, _: Scale) -> None:
        many = rows(2_000)
        run = await imported(w, many)
        await w.ledger.runs.begin_import(run, "other", w.now)
        batch = ImportBatch(first_line=0, next_line=ROWS, rows=tuple(rows(2_000, seed=2)))
        await w.ledger.runs.append(run, "other", batch, w.now, w.now)
        await w.ledger.runs.seal(run, "other", w.now)
        await w.move(run, "running")
        claims = await w.claim(*(await w.ledger.messages.due(run, ROWS, w.now)))
        assert claimed(claims) == given(many)

    on_a_scale(play)


@pytest.mark.parametrize("octets", [LARGE - 40, 2 * LARGE])
def test_only_what_is_large_lies_apart(octets: int) -> None:
    """By what it takes when it is squeezed; what is small stays with its row and costs nothing beside it."""

    async def play(w: World, scale: Scale) -> None:
        [one] = rows(octets, n=1)
        is_large = len(squeezed(one.variables.encode())) > LARGE
        await imported(w, [one])
        assert sum(pk.startswith("v") for pk, _ in scale.items) == is_large == (octets > LARGE)

    on_a_scale(play)


def test_variables_lie_in_the_table_of_their_campaign() -> None:
    """So that they are thrown away with it."""

    async def play() -> None:
        table = fresh()
        ledger = await DynamoLedger.open(table, campaign_tables="own")
        w, many = World(ledger), rows(2_000)
        run = await imported(w, many)
        claims = await w.claim(*(await ledger.messages.due(run, ROWS, w.now)))
        assert claimed(claims) == given(many)
        assert not [item for item in all_items(table) if str(item["pk"]).startswith("v")]
        await ledger.close()

    asyncio.run(play())


def test_variables_that_somebody_deleted_are_said() -> None:
    """Nothing is rendered without them."""

    async def play(w: World, scale: Scale) -> None:
        many = rows(2_000, n=1)
        run = await imported(w, many)
        assert isinstance(w.ledger, DynamoLedger)
        [item] = [key for key in scale.items if key[0].startswith("v")]
        await w.ledger._table.delete(Key(*item), None, b"12345678")
        with pytest.raises(LedgerUnavailable, match="variables of 1 rows"):
            await w.claim(*(await w.ledger.messages.due(run, 1, w.now)))

    on_a_scale(play)


def test_no_json_begins_like_a_pointer() -> None:
    """So that a row's own variables are never taken for one."""
    with pytest.raises(json.JSONDecodeError):
        json.loads(POINTER + "0" * 32)
