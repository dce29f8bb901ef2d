"""Addresses on DynamoDB: the contract's clauses, lists in their order, and documents that stay small."""

from __future__ import annotations

from dynamo_parts import Parts, bounce, parts, play
from kakitome.ledgers.dynamodb import addresses, keys
from kakitome.ledgers.dynamodb.addresses import MOST_TOLD
from kakitome.ledgers.dynamodb.items import bytes_of
from kakitome.ports.records import Suppression
from kakitome.testing.ledger_records import Records
from kakitome.testing.ledger_world import World, hashed


class TestSuppressions:
    """Of the records' clauses those about addresses."""

    make = staticmethod(parts)
    test_first = Records.test_the_first_reason_stays
    test_removal = Records.test_a_removal_is_journaled
    test_listed = Records.test_suppressions_are_listed_by_address
    test_remembered = Records.test_a_removal_is_remembered
    test_holds = Records.test_a_removal_holds_until_something_new
    test_stream = Records.test_unsubscribing_is_for_the_messages_stream
    test_before = Records.test_unsubscribing_before_the_reply_ends_at_the_same
    test_back = Records.test_coming_back_ends_only_an_unsubscription
    test_transient = Records.test_transient_bounces_count_up


def test_addresses_are_listed_in_their_order_whatever_they_have() -> None:
    """As Python sorts them, page by page, each once: with a zero octet, beyond the basic plane, longer than a key."""
    names = ["a", "a\0", "a\0b", "a\1", "a\2", "aa", "é", "\uffee", "\U0001f600", "z" * 2_000, "z" * 1_000]

    async def story(w: World, ledger: Parts) -> None:
        told = [Suppression(hash=n, address=name, reason="manual") for n, name in enumerate(names)]
        assert await ledger.suppressions.add(told, w.now) == len(names)
        for page in (1, 3, 99):
            seen, after = list[str](), ""
            while found := await ledger.suppressions.list(after, page):
                seen += [one.address for one in found]
                after = seen[-1]
            assert seen == sorted(names)
        assert await ledger.suppressions.remove(2, "all", "aya", "", w.now)
        assert [one.was.address for one in await ledger.suppressions.released("a", 9)] == ["a\0b"]
        assert len(await ledger.suppressions.list("", 99)) == len(names) - 1

    play(story)


def test_an_address_that_bounces_for_ever_keeps_a_small_document() -> None:
    """Of its events the newest are remembered; what they called for stays. Long words make it no larger."""

    async def story(w: World, ledger: Parts) -> None:
        for _ in range(3):
            await w.fold(*(bounce(w, "x@example.jp") for _ in range(MOST_TOLD // 2)))
        hash = hashed("x@example.jp")
        assert len((await ledger.addresses.known([hash]))[hash].told) == MOST_TOLD
        [s] = await ledger.suppressions.find([hash])
        assert s.source == "event-1"
        await w.fold(*(bounce(w, "x@example.jp", diagnostic="no " * 600) for _ in range(MOST_TOLD)))
        document = await ledger.table.get(keys.address(hash))
        assert document and len(bytes_of(document)) <= addresses.FULL
        assert await ledger.suppressions.find([hash]) == [s]

    play(story)
