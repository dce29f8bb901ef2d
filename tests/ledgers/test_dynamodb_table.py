"""A table of DynamoDB as the ledger uses it, against an emulator in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dynamo_rig import asked, fresh
from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb import schema
from kakitome.ledgers.dynamodb.meter import Meter
from kakitome.ledgers.dynamodb.table import Check, Conflict, Delete, Item, Key, Put, Table

A, B = Key("a", "1"), Key("a", "2")
ONE, TWO, THREE = b"one", b"two", b"three"


def on_a_table(play: Callable[[Table], Awaitable[None]], meter: Meter | None = None) -> None:
    async def run() -> None:
        table = fresh(meter)
        try:
            await play(table)
        finally:
            await table.close()

    asyncio.run(run())


def at(key: Key, **more: str | int | bytes | frozenset[str] | None) -> Item:
    return {"pk": key.pk, "sk": key.sk, **more}


def rows(n: int) -> list[Item]:
    return [at(Key("j", f"{i:03}"), d=b"x") for i in range(n)]


def sks(items: list[Item]) -> list[object]:
    return [item["sk"] for item in items]


def test_an_item_is_written_once() -> None:
    """Of two writers of a new item the second is given what is there; revision and writer are noted. A new item says
    where its revisions begin."""

    async def play(table: Table) -> None:
        assert await table.put(at(A, d=b"1", r=9, k=TWO), None, ONE) is None
        there = at(A, d=b"1", r=9, k=ONE)
        assert await table.put(at(A, d=b"2"), None, TWO) == there
        assert await table.get(A) == there

    on_a_table(play)


def test_only_the_revision_that_was_read_is_replaced() -> None:
    """A write over an old revision, and one over nothing, change nothing."""

    async def play(table: Table) -> None:
        await table.put(at(A), None, ONE)
        assert await table.put(at(A, d=b"2", r=9), 1, TWO) is None
        assert await table.put(at(A, d=b"3"), 1, THREE) == at(A, d=b"2", r=2, k=TWO)
        assert await table.put(at(B), 1, THREE) == {}
        assert await table.get(B) is None

    on_a_table(play)


def test_each_write_of_many_stands_by_itself() -> None:
    """Answers come in the order of the writes, more of them than go at once; one that fails takes none with it."""

    async def play(table: Table) -> None:
        await table.put(at(Key("j", "040")), None, ONE)
        answers = await table.put_many([(item, None) for item in rows(70)], TWO)
        assert [n for n, answer in enumerate(answers) if answer is not None] == [40]
        assert len(await table.query("j")) == 70
        assert await table.put_many([], TWO) == []

    on_a_table(play)


def test_many_are_read_by_the_hundred() -> None:
    """Those that exist, each once, however many and however often asked."""

    async def play(table: Table) -> None:
        await table.put_blindly(rows(230))
        keys = [Key("j", f"{i:03}") for i in range(250)]
        found = await table.get_many([*keys, *keys])
        assert sorted(found) == keys[:230]
        assert await table.get_many([]) == {}

    on_a_table(play)


def test_a_record_is_written_over_itself() -> None:
    """Blind writes may be repeated; of two with one key in a batch the last one stays."""

    async def play(table: Table) -> None:
        for _ in range(2):
            await table.put_blindly([at(A, d=b"1"), at(A, d=b"2")])
        assert await table.query("a") == [at(A, d=b"2")]

    on_a_table(play)


def test_a_partition_is_read_between_bounds() -> None:
    """`after` is not itself in, `since` and `until` are; the limit counts from where the reading begins."""

    async def play(table: Table) -> None:
        await table.put_blindly(rows(10))
        assert sks(await table.query("j", after="003", until="005")) == ["004", "005"]
        assert sks(await table.query("j", since="003", until="005")) == ["003", "004", "005"]
        assert sks(await table.query("j", since="002", after="007")) == ["008", "009"]
        assert sks(await table.query("j", until="001")) == ["000", "001"]
        assert sks(await table.query("j", until="005", limit=2, forward=False)) == ["005", "004"]
        assert sks(await table.query("j", after="", limit=1)) == ["000"]
        assert await table.query("j", after="005", until="005") == []
        assert await table.query("j", limit=0) == []

    on_a_table(play)


def test_a_query_reads_all_pages() -> None:
    """A page has a megabyte at most; the answer has all, or as many as were asked for."""

    async def play(table: Table) -> None:
        meter = table.meter
        await table.put_many([(item | {"d": bytes(150_000)}, None) for item in rows(10)], ONE)
        assert len(await table.query("j")) == 10
        assert meter.calls["query"] > 1
        assert sks(await table.query("j", limit=8)) == [f"{i:03}" for i in range(8)]

    on_a_table(play)


def test_an_index_has_its_own_keys() -> None:
    """An item without them is not in it; what it shows is keys and the included attribute."""

    async def play(table: Table) -> None:
        await table.put(at(A, o="run", w="5", e="e", d=b"body"), None, ONE)
        await table.put(at(B, h="hash"), None, ONE)
        assert await table.query("run", index="open", until="5") == [at(A, o="run", w="5", e="e")]
        assert await table.query("run", index="open", after="5") == []
        assert await table.query("hash", index="address", since="2") == [at(B, h="hash")]

    on_a_table(play)


def test_a_deletion_looks_at_the_revision() -> None:
    """An item of another revision stays; what is gone already is gone."""

    async def play(table: Table) -> None:
        await table.put(at(A), None, ONE)
        assert not await table.delete(A, 2, TWO)
        assert await table.get(A)
        assert await table.delete(A, 1, TWO)
        assert await table.get(A) is None
        assert await table.delete(A, 1, TWO)
        await table.put(at(A), None, ONE)
        assert await table.delete(A, None, TWO)

    on_a_table(play)


def test_a_transaction_is_all_or_nothing() -> None:
    """One condition that does not hold keeps all from being written; each that does not is named with its item."""

    async def play(table: Table) -> None:
        await table.put(at(A), None, ONE)
        with pytest.raises(Conflict) as conflict:
            await table.transact([Put(at(B), None), Put(at(A), 4), Check(Key("c", "1"), 1)], TWO)
        assert conflict.value.found == {1: at(A, r=1, k=ONE), 2: {}}
        assert await table.get(B) is None
        await table.transact([Put(at(B), None), Delete(A, 1), Check(Key("c", "1"), None)], THREE)
        assert await table.query("a") == [at(B, r=1, k=THREE)]

    on_a_table(play)


def test_a_transaction_spans_tables() -> None:
    """A campaign's own table and the shared one change together."""

    async def play(table: Table) -> None:
        other = fresh()
        try:
            await table.transact([Put(at(A), None), Put(at(B), None, other.name)], ONE)
            assert await table.beside(other.name).query("a") == [at(B, r=1, k=ONE)]
        finally:
            await other.close()

    on_a_table(play)


def test_the_meter_counts_what_is_charged() -> None:
    """Units by operation, table and index; a refused condition is counted, as its price is not told."""
    meter = Meter()

    async def play(table: Table) -> None:
        await table.put(at(A, o="run", w="1", d=bytes(1500)), None, ONE)
        await table.put(at(A), None, TWO)
        await table.get(A)
        await table.get(A, strong=False)

    on_a_table(play, meter)
    assert meter.units["put_item", "table"] == 2
    assert meter.units["put_item", "open"] == 1
    assert meter.units["get_item", "table"] == 1.5
    assert (meter.write_units, meter.read_units) == (3, 1.5)
    assert meter.by_place() == {"table": 2, "open": 1}
    assert meter.by_place(written=False) == {"table": 1.5}
    assert meter.refused == {"put_item": 1}


def test_a_transaction_costs_twice() -> None:
    """Its units are apart from the index's, too, where the answer has only the sum and the index's part."""

    async def play(table: Table) -> None:
        await table.transact([Put(at(A, o="run", w="1"), None)], ONE)
        # DynamoDB Local says the double of what AWS charges.
        assert table.meter.units["transact_write_items", "table"] in (2, 4)

    on_a_table(play)
    meter = Meter()
    indexes = {"open": {"CapacityUnits": 2.0}}
    meter.add("transact_write_items", {"ConsumedCapacity": [{"CapacityUnits": 4.0, "GlobalSecondaryIndexes": indexes}]})
    assert meter.by_place() == {"table": 2, "open": 2}


def test_the_table_is_made_as_it_is_described() -> None:
    """Making it again changes nothing; dropping it twice is no error."""

    async def play(table: Table) -> None:
        name = f"{table.name}-made"
        for _ in range(2):
            await schema.create(table.line, name)
        made = asked("DescribeTable", TableName=name)["Table"]
        assert {index["IndexName"] for index in made["GlobalSecondaryIndexes"]} == {"open", "address"}
        assert made["StreamSpecification"] == schema.definition(name)["StreamSpecification"]
        expiry = asked("DescribeTimeToLive", TableName=name)["TimeToLiveDescription"]
        assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", schema.EXPIRES)
        for _ in range(2):
            await schema.drop(table.line, name)

    on_a_table(play)


def test_a_missing_table_is_not_asked_twice() -> None:
    """What would be refused again is told at once, in words that say what to look at."""

    async def play(table: Table) -> None:
        with pytest.raises(LedgerUnavailable, match="table's name, the region and the account") as told:
            await table.beside("nowhere").get(A)
        assert told.value.data["code"] == "ResourceNotFoundException"
        assert not table.meter.again

    on_a_table(play)
