"""Slots, quotas and stopped gates."""

from __future__ import annotations

from kakitome.core.pacing import QUOTA_BUCKET, QUOTA_BUCKETS, Grant, grant, quota_left, spacing_ms
from kakitome.ledgers.memory.book import AccountBook, Book
from kakitome.ports.accounts import GateState, Limits, Wanted


class MemoryAccounts:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def slots(self, wanted: Wanted, now: int) -> Grant:
        account, lane, limits = wanted.account, wanted.lane, wanted.limits
        if closed := [gate for gate in self._closed(now) if gate.gate in (f"account:{account}", f"lane:{lane}")]:
            longest = max(closed, key=_end)
            return Grant(0, until=longest.until or now + 60_000, reason=longest.reason)
        own = self._book.accounts.setdefault(account, AccountBook())
        left = quota_left(limits.quota, _used(own, now), _reported(own, now))
        if left == 0:
            return Grant(0, until=_frees(own, now), reason="quota")
        if limits.rate is not None:
            # Nothing was ever granted further ahead than this, unless the clock went back since: then what was
            # granted still has at most a second to go, and that much is waited.
            own.next_slot = min(own.next_slot, now + 1000 + spacing_ms(limits.rate))
        most = wanted.count if left is None else min(wanted.count, left)
        granted, own.next_slot = grant(most, limits.rate, own.next_slot, now)
        if limits != Limits():
            own.granted[now // QUOTA_BUCKET] = own.granted.get(now // QUOTA_BUCKET, 0) + granted.count
        return granted

    async def give_back(self, account: str, count: int, granted: int) -> None:
        own, bucket = self._book.accounts.setdefault(account, AccountBook()), granted // QUOTA_BUCKET
        if bucket in own.granted:
            own.granted[bucket] = max(0, own.granted[bucket] - count)

    async def stop(
        self, gate: str, reason: str, until: int | None, detail: str, now: int, doubling: bool = False
    ) -> bool:
        new = GateState(gate, reason, until, now, detail)
        known = next((g for g in self._closed(now) if g.gate == gate), None)
        if known is None:
            self._book.gates[gate] = new
            self._book.enter(now, "stopped", gate=gate, reason=reason, until=until, detail=detail)
        elif _end(new) >= _end(known):
            self._book.gates[gate] = GateState(gate, reason, until, known.since, detail)
        return known is None

    async def passed(self, account: str, lane: str, now: int) -> None:
        for gate in (f"account:{account}", f"lane:{lane}"):
            if (known := self._book.gates.get(gate)) and known.until is not None and known.until <= now:
                del self._book.gates[gate]

    async def resume(self, gate: str, who: str, now: int) -> bool:
        there = self._book.gates.pop(gate, None) is not None
        if there:
            self._book.enter(now, "resumed", gate=gate, who=who)
        return there

    async def stopped(self, now: int) -> list[GateState]:
        return sorted(self._closed(now), key=lambda gate: gate.gate)

    async def report(self, account: str, used: int, now: int) -> None:
        own = self._book.accounts.setdefault(account, AccountBook())
        own.reported, own.reported_at = used, now

    def _closed(self, now: int) -> list[GateState]:
        return [gate for gate in self._book.gates.values() if gate.until is None or gate.until > now]


def _end(gate: GateState) -> float:
    return float("inf") if gate.until is None else gate.until


def _used(own: AccountBook, now: int) -> int:
    """What was granted in the last 24 hours, and in the rest of the quarter of an hour in which they began."""
    return sum(n for bucket, n in own.granted.items() if bucket >= now // QUOTA_BUCKET - QUOTA_BUCKETS)


def _reported(own: AccountBook, now: int) -> int | None:
    return own.reported if own.reported_at > now - QUOTA_BUCKET else None


def _frees(own: AccountBook, now: int) -> int:
    """When the oldest quarter of an hour leaves the window."""
    counted = [bucket for bucket, n in own.granted.items() if n and bucket >= now // QUOTA_BUCKET - QUOTA_BUCKETS]
    return (min(counted) + QUOTA_BUCKETS + 1) * QUOTA_BUCKET if counted else now + QUOTA_BUCKET
