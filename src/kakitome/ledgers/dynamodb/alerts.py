"""Alerts and who tells them: one document. The rules are the memory ledger's."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from kakitome.core.alert import Alert, Facts, Finding, Kind
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb.desk import Desk, at_once
from kakitome.ledgers.dynamodb.documents import Bodies, change
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.memory.alerts import MemoryAlerts
from kakitome.ledgers.memory.book import Book, TellingBook
from kakitome.ports.alerts import Telling

R = TypeVar("R")

ALERTS = Key("G", "alerts")
KEPT = 200
"""Alerts that have ended, the newest ones; of the others only the keys of those that must not come again."""


class StoredTelling(msgspec.Struct, frozen=True, array_like=True):
    alert: int
    part: str
    channel: str
    until: int
    tries: int
    told: int | None


class StoredAlerts(msgspec.Struct, frozen=True):
    alerts: tuple[Alert, ...] = ()
    tellings: tuple[StoredTelling, ...] = ()
    told_once: tuple[str, ...] = ()


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(StoredAlerts).decode


class DynamoAlerts:
    """See `ports.alerts.Alerts`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def _change(self, rule: Callable[[MemoryAlerts], R]) -> R:
        def on_book(bodies: Sequence[bytes | None]) -> tuple[Bodies, Sequence[Entry], R]:
            book = self._desk.book()
            _lay(book, bodies[0])
            answer = rule(MemoryAlerts(book))
            return [_packed(book)], book.journal, answer

        return await change(self._desk, [ALERTS], on_book)

    async def raise_(self, finding: Finding, channels: Sequence[str], seen: int, now: int) -> Alert | None:
        return await self._change(lambda it: at_once(it.raise_(finding, channels, seen, now)))

    async def renew(self, id: int, facts: Facts) -> bool:
        return await self._change(lambda it: at_once(it.renew(id, facts)))

    async def end(self, id: int, facts: Facts, channels: Sequence[str], now: int) -> bool:
        return await self._change(lambda it: at_once(it.end(id, facts, channels, now)))

    async def take(self, channels: Sequence[str], n: int, now: int) -> builtins.list[Telling]:
        return await self._change(lambda it: at_once(it.take(channels, n, now)))

    async def told(self, telling: Telling, again: int | None, now: int) -> None:
        await self._change(lambda it: at_once(it.told(telling, again, now)))

    async def list(self, n: int) -> builtins.list[Alert]:
        return await self._change(lambda it: at_once(it.list(n)))


def _lay(book: Book, body: bytes | None) -> None:
    stored = _unpack(body) if body else StoredAlerts()
    book.alerts = {alert.id: alert for alert in stored.alerts}
    book.tellings = [TellingBook(t.alert, t.part, t.channel, t.until, t.tries, t.told) for t in stored.tellings]
    book.told_once = set(stored.told_once)


def _packed(book: Book) -> bytes | None:
    ended = sorted((a for a in book.alerts.values() if a.ended is not None), key=lambda a: (-(a.ended or 0), -a.id))
    untold = {t.alert for t in book.tellings if t.told is None}
    gone = [alert for alert in ended[KEPT:] if alert.id not in untold and alert.id != max(book.alerts)]
    for alert in gone:
        del book.alerts[alert.id]
        if alert.kind in (Kind.GUARD, Kind.QUARANTINE):  # what the journal tells once
            book.told_once.add(alert.key)
    stored = StoredAlerts(
        tuple(book.alerts.values()),
        tuple(
            StoredTelling(t.alert, t.part, t.channel, t.until, t.tries, t.told)
            for t in book.tellings
            if t.alert in book.alerts
        ),
        tuple(sorted(book.told_once)),
    )
    return None if stored == StoredAlerts() else _pack(stored)
