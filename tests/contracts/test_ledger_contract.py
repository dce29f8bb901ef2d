"""Our ledgers keep the contract that we export."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ports.ledger import Ledger
from kakitome.testing.ledger import LedgerContract


class TestMemory(LedgerContract):
    async def make(self) -> Ledger:
        return MemoryLedger()


class TestSqlite(LedgerContract):
    @pytest.fixture(autouse=True)
    def _in(self, tmp_path: Path) -> None:
        self._folder = tmp_path
        self._number = count(1)

    async def make(self) -> Ledger:
        return SqliteLedger(self._folder / f"{next(self._number)}.db")
