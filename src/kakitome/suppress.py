"""Suppressions that come in bulk: from a file, and from a provider's own list of the account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, Literal

import msgspec

from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.errors import AddressError
from kakitome.core.suppression import ALL
from kakitome.ports.account_list import AccountList, Listed
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.records import Released, Suppression

PAGE: Final = 1_000
ORIGIN: Final = "ses:account-list:"
"""How the source of what came from a provider's list begins; the account follows."""


async def all_suppressions(ledger: Ledger) -> AsyncIterator[Suppression]:
    """All there are, by address."""
    after = ""
    while page := await ledger.suppressions.list(after, PAGE):
        for one in page:
            yield one
        after = page[-1].address


async def all_released(ledger: Ledger) -> AsyncIterator[Released]:
    after = ""
    while page := await ledger.suppressions.released(after, PAGE):
        for one in page:
            yield one
        after = page[-1].was.address


async def take(wanted: Sequence[Suppression], ledger: Ledger, clock: Clock, dry_run: bool = False) -> int:
    """Add a batch; answers how many are new, or would be. What is there already keeps its first reason."""
    if not dry_run:
        return await ledger.suppressions.add(wanted, clock.now())
    held = {(s.hash, s.scope) for s in await ledger.suppressions.find([s.hash for s in wanted])}
    return len({(s.hash, s.scope) for s in wanted} - held)


class Plan(msgspec.Struct, frozen=True):
    """What would make both lists agree. `here`: theirs that we lack. `there`: ours that they lack. `remove`: a person
    removed it here after it was put there. `gone`: it came from there and is not there any more, so somebody removed it
    there; whether it may be written to again is for a person to say here. `strange`: addresses that are none."""

    here: list[Suppression] = []
    there: list[Suppression] = []
    remove: list[Listed] = []
    gone: list[Suppression] = []
    strange: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.here or self.there or self.remove)


def plan(
    ours: Iterable[Suppression],
    released: Iterable[Released],
    theirs: Iterable[tuple[int | None, Listed]],
    source: str,
    who: str,
) -> Plan:
    """Compare. `theirs` come with the keyed hash of their address, None for what is none. Only bounces and complaints
    that hold for all streams have a place there. What a person removed here does not come back from there, unless it
    came onto their list afterwards."""
    held = {s.hash: s for s in ours if s.scope == ALL}
    removed = {r.was.hash: r.at for r in released if r.was.scope == ALL}
    found, here, remove, strange = set(), [], [], 0
    for hash, one in theirs:
        if hash is None:
            strange += 1
            continue
        found.add(hash)
        if hash in held:
            continue
        if removed.get(hash, -1) >= one.at:
            remove.append(one)
        else:
            here.append(_suppression(one, hash, source, who))
    lacking = [s for s in held.values() if s.hash not in found]
    return Plan(
        here,
        [s for s in lacking if s.reason in _THEIRS and s.source != source],
        remove,
        [s for s in lacking if s.source == source],
        strange,
    )


_THEIRS: Final = ("bounce", "complaint")


def _suppression(one: Listed, hash: int, source: str, who: str) -> Suppression:
    return Suppression(hash=hash, address=one.address, reason=one.reason, source=source, who=who, at=one.at)


async def compare(ledger: Ledger, list: AccountList, who: str) -> Plan:
    """Read both and say what is to be done; changes nothing. Raises `ListUnread`."""
    key = await ledger.reads.hash_key()
    theirs = [(_hash(key, one.address), one) async for one in list.read()]
    ours = [s async for s in all_suppressions(ledger)]
    released = [r async for r in all_released(ledger)]
    return plan(ours, released, theirs, f"{ORIGIN}{list.name}", who)


async def sync(plan: Plan, ledger: Ledger, list: AccountList, clock: Clock, who: str) -> None:
    """Do it. Whatever breaks off in between, the next comparison finds the rest. Raises `ListUnread`."""
    await ledger.suppressions.add(plan.here, clock.now())
    for listed in plan.remove:
        await list.delete(listed.address)
    for ours in plan.there:
        reason: Literal["bounce", "complaint"] = "bounce" if ours.reason == "bounce" else "complaint"
        await list.put(ours.address, reason)
    if not plan.nothing:
        counts = {"here": len(plan.here), "there": len(plan.there), "removed": len(plan.remove)}
        await ledger.journal.note("suppressions_synced", {"account": list.name, "who": who, **counts}, clock.now())


def _hash(key: bytes, address: str) -> int | None:
    try:
        return address_hash(key, canonical(parse_address(address, allow_local_domain=True)))
    except AddressError:
        return None
