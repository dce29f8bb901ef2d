"""What the ledger on DynamoDB uses, by AWS's rules of item sizes and units; the emulator's word is only compared."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_costs import Used, left, mapped, single, started
from dynamo_rig import REGION, SECRETS, emulated, fresh
from dynamo_scale import Scale
from kakitome.core.aws_forms import MAPPED, STARTED
from kakitome.hosts.clock import SystemClock
from kakitome.ledgers.dynamodb import sizes
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.dynamodb.squeeze import FIRST, loosened, squeezed
from kakitome.ledgers.dynamodb.table import Put

KEY = {"pk": {"S": "c1#0"}, "sk": {"S": "4000"}}
KB = {"d": {"B": b"x" * 1024}}


@cache
def of_a_list() -> dict[str, Used]:
    with TemporaryDirectory() as folder:
        return asyncio.run(mapped(Path(folder), 120))


@cache
def without_provider_ids() -> dict[str, Used]:
    with TemporaryDirectory() as folder:
        return asyncio.run(mapped(Path(folder), 120, provider_ids=False))


@cache
def of_a_list_taken_in_first() -> dict[str, Used]:
    with TemporaryDirectory() as folder:
        return asyncio.run(started(Path(folder), 120))


@cache
def of_single_mails() -> dict[str, Used]:
    with TemporaryDirectory() as folder:
        return asyncio.run(single(Path(folder), 10))


def written(used: dict[str, Used]) -> float:
    return sum(one.units for one in used.values())


def test_a_mail_of_a_list_takes_six_write_units() -> None:
    """From row to delivered, with the provider's id indexed: events of both kinds, journal, counters and all that was
    refused counted with it, in the table and in every index."""
    used = of_a_list()
    assert written(used) <= 6
    assert {place for one in used.values() for place in one.written} == {"table"}  # in no index at all


def test_a_mail_of_a_list_takes_five_write_units_without_its_providers_id() -> None:
    """The same with `[ledger] provider_ids = false`: one unit less, of the outcome's."""
    with_them, without = of_a_list(), without_provider_ids()
    assert written(without) <= 5
    assert without["sent"].units <= with_them["sent"].units - 0.99


def test_a_mail_of_a_list_that_is_taken_in_first_takes_no_more() -> None:
    """The same for `campaign start`: its row is written before it is claimed, and the claim is one write for many."""
    used = of_a_list_taken_in_first()
    assert written(used) <= 6
    assert used["sent"].units <= 2.2  # of which the outcome is one, and the provider's id
    assert {place for one in used.values() for place in one.written} == {"table"}


def test_a_mail_that_a_map_leaves_to_workers_takes_no_more() -> None:
    """Its row comes without a claim, and is claimed with the others that came with it."""
    with TemporaryDirectory() as folder:
        assert written(asyncio.run(left(Path(folder), 120))) <= 6


def test_a_single_mail_takes_fourteen_write_units() -> None:
    """With its idempotency key, from the request to the delivery."""
    used = of_single_mails()
    assert written(used) <= 14
    assert used["taken in"].written["open"] <= 1 + 2 / 10  # of ten mails and their two streams
    assert used["sent"].written["open"] <= 1


def test_nothing_is_refused_on_the_happy_path() -> None:
    """A condition that fails is paid like a write."""
    assert {name: one.refused for name, one in of_a_list().items() if one.refused} == {}


def test_the_published_figures_of_a_mail_are_no_lower_than_the_measured() -> None:
    """What `campaign plan` reckons with."""
    for used, told in ((of_a_list(), MAPPED), (of_a_list_taken_in_first(), STARTED)):
        assert "taken in" not in used or used["taken in"].units <= told.taken_in
        assert used["sent"].units <= told.sent
        assert used["fed"].units <= told.feed
        assert used["told"].units <= told.told
        assert used["sent"].read + used["fed"].read <= told.reads
        assert used["told"].read <= told.reads_told


def test_the_emulator_says_the_same_of_writes() -> None:
    """Index by index; where it does not count as AWS does, it counts less."""
    for name, one in (*of_a_list().items(), *of_a_list_taken_in_first().items(), *of_single_mails().items()):
        accepted = one.units - one.refused
        assert sum(one.told.values()) == pytest.approx(accepted, rel=0.02), name


def test_the_scale_counts_what_the_emulator_does_not_say() -> None:
    """A refused write like a write, a transaction twice, each item of a batch, and one that is not there."""

    async def play() -> None:
        table, scale = fresh(), Scale(REGION, emulated(), SystemClock(), Random(1), keys=SECRETS)
        await table.line.close()
        table.line = scale
        first, second = Key("c1#0", "1"), Key("c1#0", "2")
        assert await table.put({**first._asdict(), "d": b"x" * 2000}, None, b"12345678") is None
        assert (scale.written["table"], scale.refused) == (2, 0)
        assert await table.put({**first._asdict(), "d": b"y"}, None, b"87654321") is not None
        assert (scale.written["table"], scale.refused) == (4, 2)
        await table.transact([Put({**second._asdict(), "d": b"z"}, None)], b"abcdefgh")
        assert (scale.written["table"], scale.refused) == (6, 2)
        assert len(await table.get_many([first, second, Key("c1#0", "3")])) == 2
        assert scale.read == 3
        await table.close()

    asyncio.run(play())


# ── The rules ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sizes_are_names_and_values() -> None:
    """Text by its UTF-8, numbers by two digits an octet and one more, octets as they are, also from base64."""
    assert sizes.size({"s": {"S": "書留"}}) == 1 + 6
    assert sizes.size({"n": {"N": "1234500"}}) == 1 + 3 + 1
    assert sizes.size({"n": {"N": "-7"}}) == 1 + 1 + 1 + 1
    assert sizes.size({"b": {"B": b"12345"}}) == sizes.size({"b": {"B": "MTIzNDU="}}) == 6


def test_a_write_costs_the_larger_of_before_and_after() -> None:
    """By the begun KB; a write of nothing costs one."""
    large = KEY | KB
    assert sizes.written(None, KEY) == {"table": 1}
    assert sizes.written(KEY, large) == sizes.written(large, KEY) == sizes.written(large, None) == {"table": 2}
    assert sizes.written(None, None) == {"table": 1}


def test_an_index_costs_when_its_entry_changes() -> None:
    """New, gone or other content: one write. Other keys: two. The same: none. Without its keys an item is not in it."""
    first, other = KEY | {"o": {"S": "1#w"}, "w": {"S": "1"}}, KEY | {"o": {"S": "1#w"}, "w": {"S": "2"}}
    assert sizes.written(None, first)["open"] == sizes.written(first, KEY)["open"] == 1
    assert sizes.written(first, other)["open"] == 2
    assert sizes.written(first, first | {"e": {"N": "1"}})["open"] == 1
    assert "open" not in sizes.written(first, first | KB)
    assert "open" not in sizes.written(KEY, KEY | {"o": {"S": "1#w"}})


def test_reads_count_each_or_together() -> None:
    """4 KB a unit, half of it where an older answer will do; what is not there costs the least there is."""
    assert sizes.read_each([0, 4096, 4097], strong=True) == 1 + 1 + 2
    assert sizes.read_each([100], strong=False) == 0.5
    assert sizes.read_together([1000] * 8, strong=True) == 2
    assert sizes.read_together([], strong=True) == 1


@given(st.binary(max_size=3000))
def test_what_is_squeezed_comes_out_as_it_was(body: bytes) -> None:
    """And what an earlier version wrote without it, is read as it is."""
    assert loosened(squeezed(body)) == body
    if not body.startswith(FIRST):
        assert loosened(body) == body
