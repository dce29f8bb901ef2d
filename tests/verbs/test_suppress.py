"""Our suppressions beside a provider's own list: what would make them agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import msgspec
import pytest

from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.errors import KakitomeError
from kakitome.hosts.clock import SystemClock
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.account_list import Listed
from kakitome.ports.records import Released, Suppression
from kakitome.suppress import ORIGIN, Plan, compare, plan, sync

SOURCE = f"{ORIGIN}tokyo"


def _ours(hash: int, reason: str = "bounce", scope: str = "all", source: str = "event") -> Suppression:
    return Suppression(hash=hash, address=f"{hash}@example.jp", reason=reason, scope=scope, source=source, at=5)


def _removed(hash: int, at: int, scope: str = "all") -> Released:
    return Released(was=_ours(hash, scope=scope), who="aya", note="", at=at)


def _theirs(hash: int, at: int = 10) -> tuple[int, Listed]:
    return hash, Listed(f"{hash}@example.jp", "bounce", at)


def _hashes(plan: Plan) -> tuple[list[int], list[int], list[str], list[int]]:
    return (
        [s.hash for s in plan.here],
        [s.hash for s in plan.there],
        [o.address for o in plan.remove],
        [s.hash for s in plan.gone],
    )


def test_what_a_person_removed_is_not_brought_back() -> None:
    """It is removed there, unless it came onto their list afterwards; a removal for one stream is another matter."""
    found = plan(
        [], [_removed(1, 10), _removed(2, 9), _removed(3, 99, "stream:news")], map(_theirs, (1, 2, 3)), SOURCE, ""
    )
    assert _hashes(found) == ([2, 3], [], ["1@example.jp"], [])


def test_what_is_suppressed_again_stays() -> None:
    """A removal counts no more once the address is suppressed again."""
    assert plan([_ours(1, "manual")], [_removed(1, 99)], [_theirs(1)], SOURCE, "").nothing


def test_only_bounces_and_complaints_of_all_streams_go_there() -> None:
    """SES knows no other reasons, and no streams; what came from there and is gone is not put back."""
    reasons = ("bounce", "complaint", "unsubscribe", "manual", "transient", "provider")
    ours = [_ours(n, reason) for n, reason in enumerate(reasons)]
    ours += [_ours(10, scope="stream:news"), _ours(11, source=SOURCE)]
    assert _hashes(plan(ours, [], [], SOURCE, "")) == ([], [0, 1], [], [11])


def test_an_address_that_is_none_is_counted() -> None:
    """It could not be written to anyway."""
    assert plan([], [], [(None, Listed("strange", "bounce", 1))], SOURCE, "").strange == 1


class _List:
    """A provider's list; it breaks at the call of this number."""

    name = "tokyo"

    def __init__(self, *addresses: str, breaks_at: int = 0) -> None:
        self.held: dict[str, str] = dict.fromkeys(addresses, "bounce")
        self._calls_left = breaks_at

    async def read(self) -> AsyncIterator[Listed]:
        for address in list(self.held):
            yield Listed(address, "bounce", 10)

    async def put(self, address: str, reason: Literal["bounce", "complaint"]) -> None:
        self._call()
        self.held[address] = reason

    async def delete(self, address: str) -> None:
        self._call()
        self.held.pop(address, None)

    def _call(self) -> None:
        self._calls_left -= 1
        if self._calls_left == 0:
            raise KakitomeError("SES said no.")


def test_what_broke_off_goes_on() -> None:
    """However often it breaks off, in the end both agree, and another run finds nothing to do."""

    async def story() -> None:
        ledger, clock = MemoryLedger(), SystemClock()
        key = await ledger.reads.hash_key()
        for ours in map(_ours, range(4)):
            hash = address_hash(key, canonical(parse_address(ours.address)))
            await ledger.suppressions.add([msgspec.structs.replace(ours, hash=hash)], 1)
        theirs = _List("a@example.jp", "b@example.jp", breaks_at=3)
        with pytest.raises(KakitomeError):
            await sync(await compare(ledger, theirs, "aya"), ledger, theirs, clock, "aya")
        await sync(await compare(ledger, theirs, "aya"), ledger, theirs, clock, "aya")
        assert len(theirs.held) == 6
        assert len(await ledger.suppressions.list("", 10)) == 6

    asyncio.run(story())
