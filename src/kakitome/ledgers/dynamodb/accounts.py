"""Slots, quotas and stopped gates. The rules are the memory ledger's.

An account is a document, and so is each configured pace. What is stopped, for all accounts and lanes together, is one
more: it is read with every grant and changes seldom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from kakitome.core.message import Entry
from kakitome.core.pacing import QUOTA_BUCKET, QUOTA_BUCKETS, Grant, Paced
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.documents import Bodies, change
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.memory.accounts import MemoryAccounts
from kakitome.ledgers.memory.book import AccountBook, Book, PaceBook
from kakitome.ports.accounts import GateState, Parking, Wanted

R = TypeVar("R")

GATES = Key("G", "gates")
SPARE_BUCKETS = 8
"""Two hours more than are counted: a clock that is ahead may come back."""


class StoredPace(msgspec.Struct, frozen=True, array_like=True):
    since: int = 0
    spent: float = 0.0


class StoredAccount(msgspec.Struct, frozen=True, array_like=True):
    paced: Paced
    asked: int
    factor: float
    slowed: int
    reported: int | None
    reported_at: int
    granted: dict[int, int]
    parking: tuple[Parking, ...]


class StoredGates(msgspec.Struct, frozen=True):
    gates: tuple[GateState, ...] = ()
    probes: dict[str, int] = {}
    lanes: dict[str, StoredPace] = {}


_pack = msgspec.msgpack.Encoder().encode
_account = msgspec.msgpack.Decoder(StoredAccount).decode
_gates = msgspec.msgpack.Decoder(StoredGates).decode
_pace = msgspec.msgpack.Decoder(StoredPace).decode


class DynamoAccounts:
    """See `ports.accounts.Accounts`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def _change(self, account: str | None, rule: Callable[[MemoryAccounts], R], now: int, pace: str = "") -> R:
        keys = [GATES, *([_account_key(account)] if account else ()), *([_pace_key(pace)] if pace else ())]

        def on_book(bodies: Sequence[bytes | None]) -> tuple[Bodies, Sequence[Entry], R]:
            book = self._desk.book()
            there = dict(zip(keys, bodies, strict=True))
            _lay_gates(book, there[GATES])
            if account and (body := there[_account_key(account)]) is not None:
                _lay_account(book, account, body)
            if pace and (body := there[_pace_key(pace)]) is not None:
                stored = _pace(body)
                book.paces[f"pace:{pace}"] = PaceBook(stored.since, stored.spent)
            answer = rule(MemoryAccounts(book))
            new: Bodies = [_packed_gates(book, there[GATES])]
            if account:
                new.append(_packed_account(book, account, now))
            if pace:
                new.append(_packed_pace(book.paces.get(f"pace:{pace}")))
            return new, book.journal, answer

        return await change(self._desk, keys, on_book)

    async def slots(self, wanted: Wanted, now: int) -> Grant:
        pace = wanted.pace.name if wanted.pace else ""
        return await self._change(wanted.account, lambda it: at_once(it.slots(wanted, now)), now, pace)

    async def give_back(self, account: str, count: int, granted: int) -> None:
        await self._change(account, lambda it: at_once(it.give_back(account, count, granted)), granted)

    async def parked(self, now: int) -> list[Parking]:
        items = await self._desk.table.query(_ACCOUNTS)
        book = self._desk.book()
        for item in items:
            body = item["d"]
            assert isinstance(body, bytes)
            _lay_account(book, str(item["sk"]), body)
        return at_once(MemoryAccounts(book).parked(now))

    async def report(self, account: str, used: int, now: int) -> None:
        await self._change(account, lambda it: at_once(it.report(account, used, now)), now)

    async def stop(
        self, gate: str, reason: str, until: int | None, detail: str, now: int, doubling: bool = False
    ) -> bool:
        kind, _, name = gate.partition(":")
        account = name if kind == "account" else None
        return await self._change(account, lambda it: at_once(it.stop(gate, reason, until, detail, now, doubling)), now)

    async def passed(self, account: str, lane: str, now: int) -> None:
        await self._change(None, lambda it: at_once(it.passed(account, lane, now)), now)

    async def untried(self, account: str, lane: str, until: int) -> None:
        await self._change(None, lambda it: at_once(it.untried(account, lane, until)), until)

    async def resume(self, gate: str, who: str, now: int) -> bool:
        return await self._change(None, lambda it: at_once(it.resume(gate, who, now)), now)

    async def stopped(self, now: int) -> list[GateState]:
        return await self._change(None, lambda it: at_once(it.stopped(now)), now)


_ACCOUNTS = "A"


def _account_key(account: str) -> Key:
    return Key(_ACCOUNTS, account)


def _pace_key(pace: str) -> Key:
    return Key("Q", pace)


def _lay_gates(book: Book, body: bytes | None) -> None:
    stored = _gates(body) if body else StoredGates()
    book.gates = {gate.gate: gate for gate in stored.gates}
    book.probes = dict(stored.probes)
    book.paces |= {lane: PaceBook(pace.since, pace.spent) for lane, pace in stored.lanes.items()}


def _packed_gates(book: Book, before: bytes | None) -> bytes | None:
    lanes = {lane: StoredPace(p.since, p.spent) for lane, p in book.paces.items() if lane.startswith("lane:")}
    stored = StoredGates(tuple(book.gates.values()), book.probes, lanes)
    return None if before is None and stored == StoredGates() and not book.journal else _pack(stored)


def _lay_account(book: Book, account: str, body: bytes) -> None:
    s = _account(body)
    book.accounts[account] = AccountBook(
        s.paced, s.asked, s.factor, s.slowed, s.reported, s.reported_at, dict(s.granted)
    )
    book.parking |= {(account, not one.lists): one for one in s.parking}


def _packed_account(book: Book, account: str, now: int) -> bytes | None:
    own = book.accounts.get(account)
    if own is None or own == AccountBook():
        return None
    oldest = now // QUOTA_BUCKET - QUOTA_BUCKETS - SPARE_BUCKETS
    return _pack(
        StoredAccount(
            paced=own.paced,
            asked=own.asked,
            factor=own.factor,
            slowed=own.slowed,
            reported=own.reported,
            reported_at=own.reported_at,
            granted={bucket: n for bucket, n in own.granted.items() if bucket >= oldest},
            parking=tuple(one for (name, _), one in sorted(book.parking.items()) if name == account),
        )
    )


def _packed_pace(pace: PaceBook | None) -> bytes | None:
    return None if pace is None else _pack(StoredPace(pace.since, pace.spent))
