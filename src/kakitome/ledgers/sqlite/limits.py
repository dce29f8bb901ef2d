"""How fast and how much may go: the port, over `accounts.py` (slots, quotas, paces) and `gates.py` (stops)."""

from __future__ import annotations

from kakitome.core.pacing import Grant
from kakitome.ledgers.sqlite import accounts, gates, parking
from kakitome.ledgers.sqlite.threads import Thread
from kakitome.ports.accounts import GateState, Parking, Wanted


class SqliteAccounts:
    def __init__(self, writer: Thread, reader: Thread) -> None:
        self._write = writer.run
        self._read = reader.run

    async def slots(self, wanted: Wanted, now: int) -> Grant:
        free = wanted.limits.rate is None and wanted.limits.quota is None  # nothing to share, so nothing to write
        if free and (answer := await self._read(lambda db: accounts.unlimited(db, wanted, now))) is not None:
            return answer
        return await self._write(lambda db: accounts.slots(db, wanted, now))

    async def give_back(self, account: str, count: int, granted: int) -> None:
        await self._write(lambda db: accounts.give_back(db, account, count, granted))

    async def stop(
        self, gate: str, reason: str, until: int | None, detail: str, now: int, doubling: bool = False
    ) -> bool:
        return await self._write(lambda db: gates.stop(db, gate, reason, until, detail, now, doubling))

    async def passed(self, account: str, lane: str, now: int) -> None:
        await self._write(lambda db: gates.passed(db, account, lane, now))

    async def untried(self, account: str, lane: str, until: int) -> None:
        await self._write(lambda db: gates.untried(db, account, lane, until))

    async def resume(self, gate: str, who: str, now: int) -> bool:
        return await self._write(lambda db: gates.resume(db, gate, who, now))

    async def stopped(self, now: int) -> list[GateState]:
        return await self._read(gates.stopped)

    async def parked(self, now: int) -> list[Parking]:
        return await self._read(lambda db: parking.parked(db, now))

    async def report(self, account: str, used: int, now: int) -> None:
        await self._write(lambda db: accounts.report(db, account, used, now))
