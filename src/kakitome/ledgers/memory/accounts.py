"""Slots, quotas and stopped gates."""

from __future__ import annotations

import msgspec

from kakitome.core import breaker
from kakitome.core.outcome import Unavailability
from kakitome.core.pacing import (
    AHEAD,
    AHEAD_OF_LISTS,
    ASKS_LAST,
    FASTEST,
    QUOTA_BUCKET,
    QUOTA_BUCKETS,
    Grant,
    grant,
    is_news,
    lists_quota,
    quota_left,
    room,
    spend,
)
from kakitome.ledgers.memory.book import AccountBook, Book, PaceBook
from kakitome.ports.accounts import GateState, Limits, Parking, Wanted


class MemoryAccounts:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def slots(self, wanted: Wanted, now: int) -> Grant:
        half_open = [gate for gate in self._gates(wanted) if _is_half_open(gate, now)]
        if (refusal := self._refusal(wanted, half_open, now)) is not None:
            return refusal
        own = self._book.accounts.setdefault(wanted.account, AccountBook())
        rate = breaker.slowed(wanted.limits.rate, breaker.recovered(own.factor, own.slowed, now))
        if wanted.instead is not None:
            return self._grant(own, wanted, rate, wanted.count, now)
        count = 1 if half_open else wanted.count
        left = quota_left(_quota(wanted), _used(own, now), _reported(own, now))
        if left == 0:
            return self._park(wanted, _frees(own, now), now)
        paces = self._paces(wanted, rate, now, is_probe=bool(half_open))
        for reason, pace, mails in paces:
            fits, until = room(mails, pace.spent, now)
            if fits <= 0:
                pace.spent = spend(mails, pace.spent, now, 0)
                return Grant(0, until=until, reason=reason)
            count = min(count, fits)
        granted = self._grant(own, wanted, rate, count if left is None else min(count, left), now)
        for _, pace, mails in paces:
            if granted.count:
                pace.spent = spend(mails, pace.spent, now, granted.count)
        if granted.count and (left is None or granted.count < left):
            self._lift(wanted, now)
        if half_open and granted.count:
            self._book.probes |= dict.fromkeys((gate.gate for gate in half_open), now + wanted.probe_ms)
            granted = msgspec.structs.replace(granted, probe=True)
        return granted

    def _park(self, wanted: Wanted, until: int, now: int) -> Grant:
        key, lists = (wanted.account, wanted.transactional), not wanted.transactional
        known = self._book.parking.get(key)
        if known is None:
            self._book.parking[key] = Parking(wanted.account, lists, now, until)
            self._book.enter(now, "parked", account=wanted.account, lists=lists, until=until)
        elif is_news(known.until, until):
            self._book.parking[key] = msgspec.structs.replace(known, until=until)
        return Grant(0, until=until, reason="quota")

    def _lift(self, wanted: Wanted, now: int) -> None:
        """Where a list may go, single mails may; not the other way round."""
        for transactional in (False, True) if not wanted.transactional else (True,):
            known = self._book.parking.pop((wanted.account, transactional), None)
            if known is not None:
                parked = now - known.since
                self._book.enter(now, "unparked", account=known.account, lists=known.lists, parked_ms=parked)

    def _gates(self, wanted: Wanted) -> list[GateState]:
        both = (f"account:{wanted.account}", f"lane:{wanted.lane}")
        return [self._book.gates[gate] for gate in both if gate in self._book.gates]

    def _refusal(self, wanted: Wanted, half_open: list[GateState], now: int) -> Grant | None:
        """What a stopped gate says, or one that is half open to somebody else."""
        if closed := [gate for gate in self._gates(wanted) if not _is_half_open(gate, now)]:
            longest = max(closed, key=_end)
            return Grant(0, until=longest.until or now + 60_000, reason=longest.reason)
        if half_open:
            mine = None if wanted.instead is None else wanted.instead + wanted.probe_ms
            probes = {gate.gate: self._book.probes.get(gate.gate, 0) for gate in half_open}
            out, gate = max((0 if probes[gate.gate] == mine else probes[gate.gate], gate.reason) for gate in half_open)
            if out > now:
                return Grant(0, until=out, reason=gate)
            may_try = wanted.probe if mine is None else all(until == mine for until in probes.values())
            if not may_try:
                return Grant(0, until=now + breaker.LOOK_AGAIN, reason=half_open[0].reason)
        return None

    def _paces(self, wanted: Wanted, rate: float | None, now: int, is_probe: bool) -> list[tuple[str, PaceBook, float]]:
        """What else is paced, with the reason that a refusal names and the mails a second."""
        paces: list[tuple[str, PaceBook, float]] = []
        if wanted.pace is not None:
            pace = self._book.paces.setdefault(f"pace:{wanted.pace.name}", PaceBook())
            paces.append(("pace", pace, wanted.pace.rate))
        lane = self._book.paces.get(f"lane:{wanted.lane}")
        if lane is not None and not is_probe and (share := breaker.returned(lane.since, now)) < 1.0:
            paces.append(("returning", lane, share * min(rate or FASTEST, FASTEST)))
        return paces

    def _grant(self, own: AccountBook, wanted: Wanted, rate: float | None, count: int, now: int) -> Grant:
        if wanted.transactional and rate is not None:
            own.asked = now
        waits = not wanted.transactional and abs(now - own.asked) < ASKS_LAST
        ahead = AHEAD_OF_LISTS if waits else AHEAD
        granted, own.paced = grant(count, rate, own.paced, now, wanted.group, ahead, wanted.lead)
        if wanted.instead is None and (wanted.limits.rate, wanted.limits.quota) != (None, None):
            own.granted[now // QUOTA_BUCKET] = own.granted.get(now // QUOTA_BUCKET, 0) + granted.count
        return granted

    async def give_back(self, account: str, count: int, granted: int) -> None:
        own, bucket = self._book.accounts.setdefault(account, AccountBook()), granted // QUOTA_BUCKET
        if bucket in own.granted:
            own.granted[bucket] = max(0, own.granted[bucket] - count)

    async def stop(
        self, gate: str, reason: str, until: int | None, detail: str, now: int, doubling: bool = False
    ) -> bool:
        known = self._book.gates.get(gate)
        is_strike = known is None or _is_half_open(known, now)
        if reason == Unavailability.THROTTLED and is_strike:
            self._slow_down(gate, now)
        strikes, since = (1, now) if known is None else (known.strikes + is_strike, known.since)
        if doubling and is_strike and until is not None:
            until = now + breaker.pause(until - now, strikes)
        new = GateState(gate, reason, until, since, detail, strikes)
        if known is None or is_strike or _end(new) >= _end(known):
            self._book.gates[gate] = new
            self._book.probes.pop(gate, None)
        if known is None:
            self._book.enter(now, "stopped", gate=gate, reason=reason, until=until, detail=detail)
        return known is None

    def _slow_down(self, gate: str, now: int) -> None:
        kind, _, name = gate.partition(":")
        if kind == "account":
            own = self._book.accounts.setdefault(name, AccountBook())
            own.factor, own.slowed = breaker.throttled(breaker.recovered(own.factor, own.slowed, now)), now

    async def passed(self, account: str, lane: str, now: int) -> None:
        for gate in (f"account:{account}", f"lane:{lane}"):
            if (known := self._book.gates.get(gate)) is not None and _is_half_open(known, now):
                self._open(gate)
                self._book.enter(
                    now, "resumed", gate=gate, who="probe", shut_ms=now - known.since, strikes=known.strikes
                )
                if gate.startswith("lane:") and now - known.since >= breaker.RETURN_AFTER:
                    self._book.paces[gate] = PaceBook(since=now)

    async def untried(self, account: str, lane: str, until: int) -> None:
        for gate in (f"account:{account}", f"lane:{lane}"):
            if self._book.probes.get(gate) == until:
                del self._book.probes[gate]

    async def resume(self, gate: str, who: str, now: int) -> bool:
        there = gate in self._book.gates
        self._book.paces.pop(gate, None)
        if there:
            self._open(gate)
            self._book.enter(now, "resumed", gate=gate, who=who)
        return there

    def _open(self, gate: str) -> None:
        del self._book.gates[gate]
        self._book.probes.pop(gate, None)

    async def stopped(self, now: int) -> list[GateState]:
        return sorted(self._book.gates.values(), key=lambda gate: gate.gate)

    async def parked(self, now: int) -> list[Parking]:
        return [self._book.parking[key] for key in sorted(self._book.parking) if self._book.parking[key].until > now]

    async def report(self, account: str, used: int, now: int) -> None:
        own = self._book.accounts.setdefault(account, AccountBook())
        own.reported, own.reported_at = used, now


def _is_half_open(gate: GateState, now: int) -> bool:
    return gate.until is not None and gate.until <= now


def _end(gate: GateState) -> float:
    return float("inf") if gate.until is None else gate.until


def _quota(wanted: Wanted) -> int | None:
    limits: Limits = wanted.limits
    return limits.quota if wanted.transactional else lists_quota(limits.quota, limits.reserve)


def _used(own: AccountBook, now: int) -> int:
    """What was granted in the last 24 hours, and in the rest of the quarter of an hour in which they began."""
    return sum(n for bucket, n in own.granted.items() if bucket >= now // QUOTA_BUCKET - QUOTA_BUCKETS)


def _reported(own: AccountBook, now: int) -> int | None:
    return own.reported if own.reported_at > now - QUOTA_BUCKET else None


def _frees(own: AccountBook, now: int) -> int:
    """When the oldest quarter of an hour leaves the window."""
    counted = [bucket for bucket, n in own.granted.items() if n and bucket >= now // QUOTA_BUCKET - QUOTA_BUCKETS]
    return (min(counted) + QUOTA_BUCKETS + 1) * QUOTA_BUCKET if counted else now + QUOTA_BUCKET
