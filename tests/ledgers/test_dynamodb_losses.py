"""What a lost answer leaves: a write of our own is known again, and nothing is done twice or given up too early."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from dynamo_rig import emulated, fresh
from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.line import ATTEMPTS, PATIENCE_S
from kakitome.ledgers.dynamodb.table import Conflict, Item, Key, Put, Table
from lossy import Loss, Lossy

A, B = Key("a", "1"), Key("a", "2")
ONE, TWO = b"one", b"two"
LOSSES = pytest.mark.parametrize("loss", Loss, ids=lambda loss: loss.name.lower())


class Patient:
    """Time that only passes in pauses."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.passed = 0.0

    def now(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.passed += seconds


def behind(play: Callable[[Table, Lossy, Patient], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = Patient()
        async with Lossy(emulated()) as way:
            table = fresh(endpoint=way.url, clock=clock, random=Random(3), answer_s=0.5)
            try:
                await play(table, way, clock)
            finally:
                await table.close()

    asyncio.run(run())


def at(key: Key, **more: str | int | bytes | frozenset[str] | None) -> Item:
    return {"pk": key.pk, "sk": key.sk, **more}


@LOSSES
def test_a_write_whose_reply_was_lost_is_our_own(loss: Loss) -> None:
    """Asked for again, it meets its own token, and is written: once."""

    async def play(table: Table, way: Lossy, clock: Patient) -> None:
        way.lose("PutItem", loss, 1, 3)
        assert await table.put(at(A), None, ONE) is None
        assert await table.put(at(A, d=b"2"), 1, TWO) is None
        assert await table.get(A) == at(A, d=b"2", r=2, k=TWO)
        assert [lost for _, lost in way.lost] == [loss, loss]
        assert way.seen["PutItem"] == 4

    behind(play)


@LOSSES
def test_a_transaction_whose_reply_was_lost_is_our_own(loss: Loss) -> None:
    """AWS knows its token for ten minutes; nothing is written twice."""

    async def play(table: Table, way: Lossy, clock: Patient) -> None:
        await table.put(at(A), None, ONE)
        way.lose("TransactWriteItems", loss)
        await table.transact([Put(at(A), 1), Put(at(B), None)], TWO)
        assert await table.query("a") == [at(A, r=2, k=TWO), at(B, r=1, k=TWO)]
        assert way.lost == [("TransactWriteItems", loss)]

    behind(play)


def test_a_transaction_is_known_by_its_items_later() -> None:
    """When AWS has forgotten the token, the items still have it; another's token is a conflict."""

    async def play(table: Table, way: Lossy, clock: Patient) -> None:
        await table.put(at(A), None, ONE)
        await table.put(at(B), None, ONE)
        # A transaction that AWS has not seen, against items that have its token.
        await table.transact([Put(at(B), None), Put(at(Key("c", "1")), None)], ONE)
        with pytest.raises(Conflict):
            await table.transact([Put(at(B), None)], TWO)

    behind(play)


def test_a_writer_who_was_faster_is_not_taken_for_us() -> None:
    """The reply to a refused write is lost, too: what is there is another's."""

    async def play(table: Table, way: Lossy, clock: Patient) -> None:
        await table.put(at(A), None, ONE)
        way.lose("PutItem", Loss.REPLY)
        assert await table.put(at(A), None, TWO) == at(A, r=1, k=ONE)

    behind(play)


def test_a_deletion_whose_reply_was_lost_is_done() -> None:
    """Asked for again, there is none, as was wanted."""

    async def play(table: Table, way: Lossy, clock: Patient) -> None:
        await table.put(at(A), None, ONE)
        way.lose("DeleteItem", Loss.REPLY)
        assert await table.delete(A, 1, TWO)
        assert way.seen["DeleteItem"] == 2

    behind(play)


def test_patience_ends_in_words() -> None:
    """Throttled for good: eight attempts, longer and longer apart, then an error that says what it means."""

    async def play(table: Table, way: Lossy, clock: Patient) -> None:
        way.lose("PutItem", Loss.THROTTLED, *range(1, ATTEMPTS + 1))
        with pytest.raises(LedgerUnavailable, match="Nothing was acknowledged") as told:
            await table.put(at(A), None, ONE)
        assert told.value.data["code"] == "ProvisionedThroughputExceededException"
        assert way.seen["PutItem"] == ATTEMPTS
        assert len(clock.pauses) == len(set(clock.pauses)) == ATTEMPTS - 1
        assert all(pause <= 0.025 * 2**n for n, pause in enumerate(clock.pauses))
        assert table.meter.again["put_item"] == ATTEMPTS - 1
        assert await table.put(at(A), None, ONE) is None

    behind(play)


def test_time_ends_patience_too() -> None:
    """Where each answer takes long, a few are enough."""

    async def play(table: Table, way: Lossy, clock: Patient) -> None:
        way.lose("GetItem", Loss.THROTTLED, 1, 2, 3)
        await table.put(at(A), None, ONE)
        began = clock.monotonic

        def slow() -> float:
            return began() + PATIENCE_S * way.seen["GetItem"]

        clock.monotonic = slow  # type: ignore[method-assign]
        with pytest.raises(LedgerUnavailable, match="asked 1 times"):
            await table.get(A)

    behind(play)


def test_one_lost_of_many_delays_only_itself() -> None:
    """The others of a batch are answered; the batch is raised for only when all have been tried."""

    async def play(table: Table, way: Lossy, clock: Patient) -> None:
        way.lose("PutItem", Loss.REPLY, 3, 5)
        items = [(at(Key("j", f"{n:02}")), None) for n in range(8)]
        assert await table.put_many(items, ONE) == [None] * 8
        nowhere = table.beside("nowhere")
        with pytest.raises(LedgerUnavailable):
            await nowhere.put_many(items, TWO)
        assert way.seen["PutItem"] == 10 + 8

    behind(play)
