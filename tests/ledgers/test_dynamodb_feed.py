"""The feed counts every change once: however the stream is cut, whoever reads it, and wherever a reader dies."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from functools import cache
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from paper_stream import (
    Killed,
    PaperStream,
    PaperTable,
    Told,
    counted,
    desk_on,
    feed_on,
    happened,
    journal,
    recount,
)

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId
from kakitome.ledgers.dynamodb.codec import StoredEntry
from kakitome.ledgers.dynamodb.feed import GAP
from kakitome.ledgers.dynamodb.feed_duty import LASTS, Duty
from kakitome.ledgers.dynamodb.guards import FRESH, put_together, within
from kakitome.ledgers.dynamodb.journal_chain import Told as ToldEntry
from kakitome.ledgers.dynamodb.journal_chain import joined
from kakitome.ledgers.dynamodb.marshal import written
from kakitome.ledgers.dynamodb.stream import Record, Shard, in_order, records_of

STEPS = 60
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""A history is known by its seed: there is nothing smaller to be found, and looking takes minutes."""
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@cache
def history(seed: int) -> Told:
    return asyncio.run(happened(seed, STEPS))


def told_once(table: PaperTable, told: Told) -> None:
    """Every entry of every message is in the journal once, in its message's order, and nothing else is."""
    entries = journal(table)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    for id, there in told.shelves.items():
        kinds = [
            entry.kind for entry in entries for named in [entry.message, *entry.data.get("ids", ())] if named == id
        ]
        assert kinds == [entry.kind for entry in there.history]
    assert all(len(set(ids)) == len(ids) for entry in entries if (ids := entry.data.get("ids")))


@settings(max_examples=60, deadline=None, phases=UNSHRUNK)
@given(
    seed=st.integers(0, 11),
    parted=st.integers(0, 90),
    sizes=SIZES,
    deaths=st.lists(st.integers(0, 12), max_size=6),
    fresh=st.booleans(),
)
def test_whoever_dies_anywhere_counts_once(
    seed: int, parted: int, sizes: list[int], deaths: list[int], fresh: bool
) -> None:
    """Readers are ended between any two writes; whoever goes on, the same one or another, ends where a recount does."""
    told = history(seed)

    async def run() -> PaperTable:
        table = PaperTable()
        stream = PaperStream(told.shards(parted), sizes)
        feed = feed_on(table, stream)
        for left in [*deaths, None]:
            table.left = left
            feed = feed_on(table, stream) if fresh else feed
            try:
                await feed.catch_up()
            except Killed:
                continue
        return table

    table = asyncio.run(run())
    assert counted(table) == recount(told)
    told_once(table, told)


@settings(max_examples=30, deadline=None, phases=UNSHRUNK)
@given(seed=st.integers(0, 11), parted=st.integers(0, 90), one=SIZES, other=SIZES)
def test_two_readers_at_once_count_once(seed: int, parted: int, one: list[int], other: list[int]) -> None:
    """With stretches of different lengths, each in the middle of the other's."""
    told = history(seed)

    async def run() -> PaperTable:
        table = PaperTable()
        shards = told.shards(parted)
        feeds = [feed_on(table, PaperStream(shards, sizes)) for sizes in (one, other, [3])]
        await asyncio.gather(*(feed.catch_up() for feed in feeds))
        return table

    table = asyncio.run(run())
    assert counted(table) == recount(told)
    told_once(table, told)


def test_a_history_has_everything_in_it() -> None:
    """Else the tests above would show little: all kinds of documents, and both kinds of entries."""
    cells = Counter(cell.doc.pk[:2] + cell.doc.sk[:1] for seed in range(12) for cell in recount(history(seed)))
    names = {cell.name[0] for seed in range(12) for cell in recount(history(seed)) if cell.doc.sk == "m"}
    assert names == set("stwck^")
    assert {pk_sk[-1] for pk_sk in cells} >= set("mgdl~0")


def test_parents_are_read_before_their_children() -> None:
    """A message's later changes are in the child: counted first, they would have nothing to be different from."""
    assert [s.id for s in in_order([Shard("c", "b"), Shard("b", "a"), Shard("x", "gone"), Shard("a", None)])] in (
        ["x", "a", "b", "c"],
        ["a", "x", "b", "c"],
    )
    told = history(0)

    async def run() -> list[str]:
        stream = PaperStream(dict(reversed(told.shards(30).items())), [10])
        await feed_on(PaperTable(), stream).catch_up()
        return stream.read_shards

    read = asyncio.run(run())
    assert max(k for k, shard in enumerate(read) if shard == "s1") < read.index("s1b")


def test_a_stream_of_which_every_shard_is_another_has_a_gap() -> None:
    """Who comes so late that even the shards are gone which were read says so, too; who begins with an empty journal
    has missed nothing."""
    told = history(0)

    async def run() -> PaperTable:
        table = PaperTable()
        shards = told.shards(1_000)
        await feed_on(table, PaperStream(shards, [7])).catch_up()
        await feed_on(table, PaperStream(shards, [7])).catch_up()
        assert not [entry for entry in journal(table) if entry.kind == GAP]
        others = {Shard(f"{shard.id}-later", None): records for shard, records in shards.items()}
        await feed_on(table, PaperStream(others, [7])).catch_up()
        return table

    assert len([entry for entry in journal(asyncio.run(run())) if entry.kind == GAP]) == 1


def test_what_is_gone_from_the_stream_is_said() -> None:
    """Who comes more than a day late says so in the journal, and goes on with what there is."""
    told = history(0)

    async def run() -> PaperTable:
        table = PaperTable()
        shards = told.shards(1_000)
        whole = PaperStream({shard: records[:5] for shard, records in shards.items()}, [7])
        await feed_on(table, whole).catch_up()
        late = PaperStream(shards, [7])
        late.trimmed = {"s0": int(shards[Shard("s0", None)][8].sequence)}
        await feed_on(table, late).catch_up()
        return table

    entries = journal(asyncio.run(run()))
    assert [entry.data for entry in entries if entry.kind == GAP] == [{"shard": "s0"}]
    assert entries[-1].kind != GAP


def test_a_shard_that_was_quiet_for_a_day_is_counted_once() -> None:
    """AWS may keep records for longer than a day: who begins anew behind a quiet shard's old ones knows them."""
    told = history(0)

    async def run() -> PaperTable:
        table = PaperTable()
        shards = {
            shard: [one if shard.id == "s0" else one._replace(at=one.at + 25 * 3_600) for one in records]
            for shard, records in told.shards(1_000).items()
        }
        for _ in range(2):
            await feed_on(table, PaperStream(shards, [7])).catch_up()
        return table

    table = asyncio.run(run())
    assert counted(table) == recount(told)
    told_once(table, told)


def test_shards_are_looked_for_again_after_a_failure() -> None:
    """One may be gone with all that was in it, for whoever slept for more than a day."""

    async def run() -> None:
        stream = PaperStream(history(0).shards(30), [10])
        there, begin = list(stream.order), stream.begin

        async def refused(shard: str, after: str | None) -> str:
            if shard == "gone":
                raise LedgerUnavailable("There is no such shard.")
            return await begin(shard, after)

        paper: Any = stream
        paper.begin, stream.order = refused, [Shard("gone", None), *there]
        feed = feed_on(PaperTable(), stream)
        with pytest.raises(LedgerUnavailable):
            await feed.catch_up()
        stream.order = there
        await feed.catch_up()
        assert set(stream.read_shards) == {"s0", "s1", "s1b"}

    asyncio.run(run())


def test_lambdas_records_are_the_same() -> None:
    """With base64 for bytes; without the name of a shard, which only a tumbling window gives, there are none."""
    item: Any = {"pk": "c1#0", "sk": "x", "d": b"\x00\xff", "r": 3, "o": frozenset({"a"})}
    typed = written(item)
    image = {
        name: {kind: base64.b64encode(value).decode() if kind == "B" else value for kind, value in one.items()}
        for name, one in typed.items()
    }
    change = {"SequenceNumber": "111", "ApproximateCreationDateTime": 1.8e9, "NewImage": image}
    event = {"Records": [{"eventName": "INSERT", "dynamodb": change}], "shardId": "s7"}
    assert records_of(event) == [Record("s7", "111", 1_800_000_000, None, item)]
    assert records_of({"Records": event["Records"]}) is None


@given(
    st.lists(st.tuples(st.integers(0, 3 * FRESH), st.sampled_from("bc"), st.integers(-2, 3)), min_size=1, max_size=30),
    st.integers(0, FRESH),
    st.integers(0, FRESH),
)
def test_a_guards_cells_put_together_say_the_same(mail: list[tuple[int, str, int]], since: int, later: int) -> None:
    """Of the present window, and of each that begins when the newest mail has begun or a little before."""
    cells: Counter[str] = Counter()
    for begun, letter, n in mail:
        cells[f"{letter}{begun}"] += n
    newest = max(begun for begun, _, _ in mail)
    for window in (since, max(since, newest - FRESH + later)):
        for letter in "bc":
            assert within(put_together(dict(cells), since), letter, window) == within(dict(cells), letter, window)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["claimed", "released"]), st.booleans()), max_size=30))
def test_entries_put_together_keep_each_messages_order(told: list[tuple[int, str, bool]]) -> None:
    """What one change did to many is one entry, but none of them is moved before an older one of the same message."""
    entries = [ToldEntry(StoredEntry(7, kind), None, MessageId(id), alone) for id, kind, alone in told]
    made = joined(entries)
    for id in range(1, 5):
        kinds = [one.kind for one in made for named in [one.message, *one.data.get("ids", ())] if named == id]
        assert kinds == [kind for named, kind, _ in told if named == id]
    assert len(joined([ToldEntry(StoredEntry(7, "claimed"), None, MessageId(id), False) for id in range(9)])) == 1


def test_one_of_many_processes_reads_on() -> None:
    """As long as it asks for it; when it falls silent, another one does, and of two who see that, one."""

    async def run() -> None:
        table = PaperTable()
        one, two, three = (Duty(desk_on(table, k)) for k in range(1, 4))
        assert [await duty.is_mine(0) for duty in (one, two, one)] == [True, False, True]
        writes = table.writes
        assert await one.is_mine(LASTS // 2 - 1) and table.writes == writes
        assert await one.is_mine(LASTS - 1) and not await two.is_mine(LASTS)
        silent = 2 * LASTS - 1
        assert sorted(await asyncio.gather(two.is_mine(silent), three.is_mine(silent))) == [False, True]
        assert not await one.is_mine(silent)

    asyncio.run(run())


def test_who_asks_while_others_wait_shares_their_answer() -> None:
    """Of many questions at once two read the stream: the first, and one for all who came while it was read."""
    passes = count()

    async def run() -> None:
        feed = feed_on(PaperTable(), PaperStream({}, [1]))

        async def to_the_tip() -> None:
            next(passes)
            await asyncio.sleep(0)

        paper: Any = feed
        paper._to_the_tip = to_the_tip
        await asyncio.gather(*(feed.fresh() for _ in range(20)))
        await feed_on(PaperTable(), PaperStream({}, [1]), "elsewhere").fresh()

    asyncio.run(run())
    assert next(passes) == 2
